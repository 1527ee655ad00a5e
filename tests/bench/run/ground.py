"""The services under all parts: one real Kafka, one real S3 full of pictures, and a pipeline for each part."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from tests.bench.run.job import Place
from tests.bench.run.pictures import Pictures
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site
from worker.local.server import Notify
from worker.local.stack import LocalStack

UPLOADERS = 4
LOOK_EVERY_S = 0.25
PARTITIONS = 4
ANSWER_WITHIN_S = 300  # on a machine that is busy with other work
SLOWEST_PER_S = 2


class BenchFailed(Exception):
    """A measurement that means nothing: something did not answer, or not with verdicts."""


class Ground:
    """Entered, the servers run and `pictures` are in the bucket; left, all of it is gone."""

    def __init__(self, model: Path, *, pictures: int, say: Notify) -> None:
        self._model = model
        self._count = pictures
        self._say = say
        self._stack = LocalStack(notify=say)
        self.directory = self._stack.directory

    def __enter__(self) -> Self:
        self._stack.__enter__()
        try:
            self._furnish()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.s3.client.close()
        self._stack.__exit__(kind, error, trace)

    @property
    def servers(self) -> dict[str, int]:
        """The process ids of the servers by name."""
        pids = {"kafka": self._stack.kafka.server.process.pid, "s3": self._stack.seaweedfs.server.process.pid}
        return {name: pid for name, pid in pids.items() if pid is not None}

    def site(self, name: str, **settings: str) -> "MeasuredSite":
        """A new pipeline whose workers read the pictures; `settings` as SECTION__FIELD."""
        chosen = {f"ZOOMIN_{setting}": value for setting, value in settings.items()}
        chosen |= {"ZOOMIN_STORE__BUCKETS": self.bucket, "ZOOMIN_ENGINE__MODEL": str(self._model)}
        return MeasuredSite(self.kafka, self.s3, self.directory / name, partitions=PARTITIONS, settings=chosen)

    def urls(self, numbers: range) -> list[str]:
        """Where the pictures of these numbers are, as events."""
        if numbers.stop > self._count:
            raise BenchFailed(f"{numbers.stop} pictures wanted, {self._count} uploaded")
        return [f"s3://{self.bucket}/{_key(number)}" for number in numbers]

    def upload(self, key: str, data: bytes) -> str:
        """Put an object beside the pictures and return its URL, which is an event."""
        self.s3.client.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def _furnish(self) -> None:
        self.kafka = KafkaForTests(self._stack.kafka)
        weed = self._stack.seaweedfs
        self.s3 = S3ForTests(weed.endpoint_url, access_key=weed.access_key, secret_key=weed.secret_key)
        self.bucket = self.s3.create_bucket("pictures")
        self._say(f"Uploading {self._count} pictures")
        pictures = Pictures()

        def upload(number: int) -> None:
            self.upload(_key(number), pictures.jpeg(number))

        with ThreadPoolExecutor(UPLOADERS) as pool:
            for _ in pool.map(upload, range(self._count)):
                pass


class MeasuredSite(Site):
    """A pipeline whose answers are counted and timed by the broker's own records."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._consumer = KafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._verdicts = [TopicPartition(self.verdict_topic, number) for number in range(self.partitions)]
        self._letters = TopicPartition(self.dead_letter_topic, 0)
        self._consumer.assign(self._verdicts)

    @property
    def place(self) -> Place:
        """Topics and S3 for a consumer that is not our worker."""
        return Place(
            bootstrap_servers=self.kafka.bootstrap_servers,
            group_id=f"group-{self.images}",
            input_topic=self.images,
            verdict_topic=self.verdict_topic,
            endpoint_url=self.s3.endpoint_url,
            access_key=self.s3.access_key,
            secret_key=self.s3.secret_key,
        )

    def judge(self, urls: Sequence[str]) -> list[float]:
        """Do as `judge_records`, and return when each verdict was written, in seconds of the clock."""
        return [record.timestamp / 1000 for record in self.judge_records(urls)]

    def judge_records(self, urls: Sequence[str]) -> list[ConsumerRecord]:
        """Sends these events and returns their verdicts, in the order in which they were written.

        Raises: BenchFailed when an event does not end as a verdict in time.
        """
        before = self._ends()
        self.send(*urls)
        wanted = sum(before.values()) + len(urls)
        within_s = ANSWER_WITHIN_S + len(urls) / SLOWEST_PER_S
        deadline = time.monotonic() + within_s
        while sum(self._ends().values()) < wanted:
            if self._consumer.end_offsets([self._letters])[self._letters]:
                letter = dict(self.read_dead_letters()[0].headers)
                raise BenchFailed(f"a dead letter: {letter['zoomin-dlt-code']!r} {letter['zoomin-dlt-detail']!r}")
            if time.monotonic() > deadline:
                raise BenchFailed(f"{sum(self._ends().values())} of {wanted} verdicts within {within_s:.0f} s")
            time.sleep(LOOK_EVERY_S)
        return self._read_verdicts(before, len(urls))

    def delays_s(self, urls: Sequence[str], *, arrivals_s: Sequence[float]) -> list[float]:
        """Send these events at these times; return the seconds from each record to a reader of committed verdicts.

        Raises: BenchFailed when a verdict does not come in time.
        """
        servers = self.kafka.bootstrap_servers
        began, sent = time.monotonic(), 0
        delays: list[float] = []
        with (
            closing(KafkaProducer(bootstrap_servers=servers)) as producer,
            closing(KafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed")) as reader,
        ):
            reader.assign(self._verdicts)
            reader.seek_to_end()
            for partition in self._verdicts:
                reader.position(partition)
            while len(delays) < len(urls):
                if sent < len(urls) and time.monotonic() - began >= arrivals_s[sent]:
                    producer.send(self.images, urls[sent].encode())
                    sent += 1
                for records in reader.poll(timeout_ms=5).values():
                    delays += [time.time() - _asked_at_s(record.value) for record in records]
                if time.monotonic() - began > arrivals_s[-1] + ANSWER_WITHIN_S:
                    raise BenchFailed(f"{len(delays)} of {len(urls)} verdicts came in time")
        return delays

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._consumer.close()

    def _ends(self) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(self._verdicts)
        return ends

    def _read_verdicts(self, since: dict[TopicPartition, int], count: int) -> list[ConsumerRecord]:
        for partition, offset in since.items():
            self._consumer.seek(partition, offset)
        verdicts: list[ConsumerRecord] = []
        while len(verdicts) < count:
            for records in self._consumer.poll(timeout_ms=200).values():
                verdicts += records
        return sorted(verdicts, key=lambda record: record.timestamp)


def _asked_at_s(verdict: bytes) -> float:
    return float(json.loads(verdict)["record"]["timestamp_ms"]) / 1000


def _key(number: int) -> str:
    return f"{number:06}.jpg"
