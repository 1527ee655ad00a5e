"""The local stack: a real Kafka, S3 and Label Studio as child processes, for the demo, the tests and `zoomin up`.

All servers listen on loopback, keep data and logs below one directory, and end with this process.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import LocalStackFailed
from worker.local.kafka import INPUT_MESSAGE_BYTES, KafkaBroker
from worker.local.label_studio import LabelStudio
from worker.local.s3 import REGION, SeaweedFs
from worker.local.server import Notify
from worker.local.service import LocalService

CACHE = Path.home() / ".cache" / "zoomin"


class LocalStack:
    """Kafka, SeaweedFS and, if asked for, Label Studio: started on entering a `with` block, stopped on leaving it.

    Without a `directory` all files lie in a temporary one that is deleted at the end, unless a server failed: its log
    is kept for reading. A port of 0 is any free one. `notify` gets a sentence before each step that takes long.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        notify: Notify,
        kafka_port: int = 0,
        s3_port: int = 0,
        with_label_studio: bool = False,
        label_studio_port: int = 0,
        cache: Path = CACHE,
    ) -> None:
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="zoomin-"))
        self._notify = notify
        self._buckets: list[str] = []
        remove = self.directory if self._temporary else None
        self.kafka = KafkaBroker(self.directory / "kafka", cache=cache, notify=notify, port=kafka_port, remove=remove)
        self.seaweedfs = SeaweedFs(self.directory / "seaweedfs", port=s3_port, remove=remove)
        self._servers: list[LocalService] = [self.seaweedfs, self.kafka]
        self.label_studio: LabelStudio | None = None
        if with_label_studio:
            self.label_studio = LabelStudio(
                self.directory / "label-studio",
                cache=cache,
                notify=notify,
                s3_endpoint_url=self.seaweedfs.endpoint_url,
                port=label_studio_port,
                remove=remove,
            )
            self._servers.append(self.label_studio)

    def __enter__(self) -> Self:
        names = ", ".join(server.server.name for server in self._servers)
        self._notify(f"Starting {names} (a few seconds; logs below {self.directory})")
        try:
            for server in self._servers:
                server.launch()
            for server in self._servers:
                server.wait_until_ready()
        except BaseException as error:
            self._end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        for server in reversed(self._servers):
            server.stop()
        if self._temporary and not isinstance(error, LocalStackFailed):
            shutil.rmtree(self.directory, ignore_errors=True)

    def check(self) -> None:
        """Raise LocalStackFailed if a server has ended by itself."""
        for server in self._servers:
            server.server.check()

    def create_topics(
        self, names: Iterable[str], *, partitions: int = 1, max_message_bytes: int = INPUT_MESSAGE_BYTES
    ) -> None:
        """Create the topics that do not exist yet; use DEAD_LETTER_MESSAGE_BYTES for a dead-letter topic.

        Raises: LocalStackFailed.
        """
        self.kafka.create_topics(names, partitions=partitions, max_message_bytes=max_message_bytes)

    def create_buckets(self, names: Iterable[str]) -> None:
        """Create the buckets that do not exist yet; `build_environment` names them all. Raises: LocalStackFailed."""
        names = list(names)
        self.seaweedfs.create_buckets(names)
        self._buckets += names

    def build_environment(self, *, label_bucket: str = "") -> dict[str, str]:
        """Build the variables by which a worker and `zoomin-train` find this stack.

        All created buckets except the labeling bucket hold images.
        """
        environment = {
            "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "ZOOMIN_STORE__ENDPOINT_URL": self.seaweedfs.endpoint_url,
            "ZOOMIN_STORE__REGION": REGION,
            "ZOOMIN_STORE__BUCKETS": ",".join(name for name in self._buckets if name != label_bucket),
            "ZOOMIN_SAMPLING__BUCKET": label_bucket,
            "AWS_ACCESS_KEY_ID": self.seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": self.seaweedfs.secret_key,
            "AWS_REGION": REGION,
            "ZOOMIN_TRAIN_S3_ENDPOINT_URL": self.seaweedfs.endpoint_url,
            "ZOOMIN_TRAIN_S3_REGION": REGION,
        }
        if self.label_studio is not None:
            environment |= self.label_studio.environment | self.seaweedfs.reader_environment
        return environment
