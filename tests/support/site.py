"""A pipeline for one test: its own topics and bucket on the shared Kafka and S3, and readers of the results."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from kafka.consumer.fetcher import ConsumerRecord

from pipeline.wire.messages import VerdictEvent
from tests.support.paths import MODEL, ROOT
from tests.support.processes.worker_process import WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests


@dataclass
class Site:
    kafka: KafkaForTests
    s3: S3ForTests
    directory: Path
    partitions: int = 2
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images = self.kafka.create_topic("images", partitions=self.partitions)
        self.verdict_topic = self.kafka.create_topic("verdicts", partitions=self.partitions)
        self.dead_letter_topic = self.kafka.create_dead_letter_topic("images.dlt")
        self.bucket = self.s3.create_bucket("uploads")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.kafka.environment,
            **self.s3.environment,
            "ZOOMIN_KAFKA__GROUP_ID": f"group-{self.images}",
            "ZOOMIN_KAFKA__INPUT_TOPIC": self.images,
            "ZOOMIN_KAFKA__VERDICT_TOPIC": self.verdict_topic,
            "ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": self.dead_letter_topic,
            "ZOOMIN_STORE__BUCKETS": self.bucket,
            "ZOOMIN_ENGINE__MODEL": str(MODEL),
            "ZOOMIN_RETRY__ATTEMPTS": "2",
            **self.settings,
        }

    @property
    def process_environment(self) -> dict[str, str]:
        """The environment for commands of the command line: that of this process plus the settings of this pipeline."""
        return {**os.environ, **self.environment}

    def build_worker(self, *command: str, code: Path = ROOT) -> WorkerProcess:
        """Start a worker on the code of this checkout."""
        return WorkerProcess(command, self.environment, self.directory, code=code)

    def upload(self, key: str, data: bytes, *, bucket: str | None = None) -> str:
        """Upload an object, without `bucket` to the pipeline's own, and return its s3:// URL."""
        self.s3.client.put_object(Bucket=bucket or self.bucket, Key=key, Body=data)
        return f"s3://{bucket or self.bucket}/{key}"

    def send(self, *events: object, **how: object) -> None:
        """Send events to the input topic: bytes, None and text as they are, anything else as JSON."""
        self.kafka.send(self.images, *map(_encode_event, events), **how)  # type: ignore[arg-type]

    def read_verdicts(self) -> list[VerdictEvent]:
        records = self.kafka.read_records(self.verdict_topic)
        return [VerdictEvent.model_validate_json(record.value) for record in records]

    def read_dead_letters(self) -> list[ConsumerRecord]:
        return self.kafka.read_records(self.dead_letter_topic)

    def wait_for_answers(self, count: int, timeout_s: float = 120) -> tuple[list[VerdictEvent], list[ConsumerRecord]]:
        """Wait until verdicts and dead letters together are `count`, and return both."""
        deadline = time.monotonic() + timeout_s
        while True:
            verdicts, letters = self.read_verdicts(), self.read_dead_letters()
            if len(verdicts) + len(letters) >= count:
                return verdicts, letters
            assert time.monotonic() < deadline, f"{len(verdicts)} verdicts and {len(letters)} letters of {count}"
            time.sleep(0.3)

    def read_committed_offsets(self) -> dict[int, int]:
        """Return the group's committed offset of each partition."""
        from kafka import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        try:
            group = self.environment["ZOOMIN_KAFKA__GROUP_ID"]
            offsets = admin.list_group_offsets(group).get(group, {})
            return {tp.partition: offset.offset for tp, offset in offsets.items()}
        finally:
            admin.close()


def decode_headers(record: ConsumerRecord) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def _encode_event(event: object) -> bytes | None:
    if event is None or isinstance(event, bytes):
        return event
    return event.encode() if isinstance(event, str) else json.dumps(event).encode()
