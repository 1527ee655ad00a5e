"""A Kafka of three nodes with three replicas, two of which must be in sync to acknowledge a record."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.support.servers.services import eventually
from worker.local.kafka import INPUT_MESSAGE_BYTES, KafkaBroker
from worker.local.stack import CACHE

NODES = 3
IN_SYNC_WITHIN_S = 60.0
# The id of each node's directory, which the other nodes must know in advance.
_DIRECTORY_IDS = ("9wmjg-NLRWi91AgpcorA9w", "EkZSqTb8RVWQSWGYf7gaDg", "p9e073XhRQW6ZoF9gOzl0g")


class KafkaCluster:
    """Three nodes, each broker and controller; a restarted node has the same ports and data."""

    def __init__(self, directory: Path) -> None:
        self.nodes = [
            KafkaBroker(directory / f"node-{n}", cache=CACHE, notify=print, remove=directory)
            for n in range(1, NODES + 1)
        ]

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def start(self) -> Self:
        for number in range(NODES):
            self._launch(number)
        for node in self.nodes:
            node.wait_until_ready()
        return self

    def restart(self, number: int, *, crash: bool) -> None:
        """Restart a node and return when all replicas are in sync again: only then can the next node stop."""
        node = self.nodes[number]
        node.kill() if crash else node.stop()
        self._launch(number)
        node.wait_until_ready()
        assert eventually(self._is_in_sync, within_s=IN_SYNC_WITHIN_S), f"node {number + 1} did not catch up"

    def end(self) -> None:
        """Kill all nodes; on SIGTERM the last node would wait for the others."""
        for node in self.nodes:
            node.kill()

    def create_topics(
        self, names: Iterable[str], *, partitions: int = 1, max_message_bytes: int = INPUT_MESSAGE_BYTES
    ) -> None:
        self.nodes[0].create_topics(names, partitions=partitions, max_message_bytes=max_message_bytes)

    def _launch(self, number: int) -> None:
        voters = [
            f"{n}@{_find_controller(node)}:{directory}"
            for n, (node, directory) in enumerate(zip(self.nodes, _DIRECTORY_IDS, strict=True), start=1)
        ]
        properties = {
            "node.id": number + 1,
            "controller.quorum.bootstrap.servers": ",".join(map(_find_controller, self.nodes)),
            "default.replication.factor": NODES,
            "min.insync.replicas": NODES - 1,
            "offsets.topic.replication.factor": NODES,
            "transaction.state.log.replication.factor": NODES,
            "transaction.state.log.min.isr": NODES - 1,
            "share.coordinator.state.topic.replication.factor": NODES,
            "share.coordinator.state.topic.min.isr": NODES - 1,
        }
        self.nodes[number].launch(properties, format_options=("--initial-controllers", ",".join(voters)))

    def _is_in_sync(self) -> bool:
        try:
            with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)) as admin:
                topics = admin.describe_topics()
        except KafkaError:  # while the controller moves
            return False
        return all(len(part["isr_nodes"]) == NODES for topic in topics for part in topic["partitions"])


def _find_controller(node: KafkaBroker) -> str:
    return f"127.0.0.1:{node.server.ports['controller']}"
