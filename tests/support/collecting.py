"""A review and a deletion collector with everything real but Kafka, S3 and the sandbox."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image

from pipeline.geometry import Size
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from tests.support.builders import build_record, encode_image
from tests.support.fakes import FakeS3, FakeStore
from tests.support.handlers import BUCKET, build_retrier
from tests.support.memory_s3 import MemoryS3
from worker.collect.deletion import DeletionCollector
from worker.collect.label_store import LabelStore
from worker.collect.review import ReviewCollector
from worker.collect.verdict_finder import VerdictFinder
from worker.collect.verdict_index import Place, VerdictIndex
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch
from worker.observe.telemetry import Metrics, Tracing
from worker.storage.bounded_store import BoundedStore
from worker.storage.file_budget import FileBudget
from worker.storage.retrying_store import RetryingStore

PATIENCE_S = 60.0


@dataclass
class FakeVerdictTopic:
    """Verdicts by their offset in one partition, and how far the index has followed them."""

    verdicts: list[VerdictEvent | None] = field(default_factory=list)
    complete_at: float = 0.0
    complete_since: datetime = datetime(2025, 1, 1, tzinfo=UTC)

    def read(self, partition: int, offset: int) -> RawRecord | None:
        verdict = self.verdicts[offset]
        return None if verdict is None else build_record(verdict.model_dump_json().encode(), offset=offset)

    def close(self) -> None:
        return


class InProcessEncoder:
    """Encodes in this process, without the sandbox."""

    async def encode_png(self, data: bytes, size_px: Size) -> bytes:
        return encode_image(Image.open(io.BytesIO(data)), "PNG")


class Desk:
    """Both collectors over one bucket. `sleep` moves the clock and lets the index follow the topic."""

    def __init__(self) -> None:
        self.topic, self.index, self.now = FakeVerdictTopic(), VerdictIndex(max_verdicts=1000), 0.0
        self.bucket, self.uploads, self.metrics = MemoryS3(), FakeS3(buckets={BUCKET: {}}), Metrics()
        self.finder = VerdictFinder(
            self.index,
            self.topic,
            self.topic,
            retrier=build_retrier(),
            patience_s=PATIENCE_S,
            sleep=self.sleep,
            clock=lambda: self.now,
        )
        addressing = Addressing("http://s3.test", {BUCKET})
        labels = LabelStore(self.bucket.client, "labels", build_retrier())
        observer = EventObserver(self.metrics, Tracing("worker", "group"))
        self.reviews = ReviewCollector(
            addressing=addressing,
            verdicts=self.finder,
            store=RetryingStore(BoundedStore(FakeStore(self.uploads), 1_000_000), lambda _bucket: build_retrier()),
            file_budget=FileBudget(1_000_000),
            encoder=InProcessEncoder(),
            labels=labels,
            observer=observer,
        )
        self.deletions = DeletionCollector(
            addressing=addressing,
            index=self.index,
            history=self.topic,
            verdicts=self.finder,
            labels=labels,
            observer=observer,
        )

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.topic.complete_at = self.now

    def publish(self, *verdicts: VerdictEvent) -> None:
        """Write verdicts into the topic and index them."""
        first = len(self.topic.verdicts)
        self.topic.verdicts += verdicts
        self.index.add(_place(verdicts, first))

    def start_stopwatch(self) -> Stopwatch:
        return Stopwatch(self.metrics, Tracing("worker", "group"), lambda: self.now)

    def read_outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.metrics.events.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }


def _place(verdicts: Iterable[VerdictEvent], first: int) -> Iterable[tuple[Place, VerdictEvent]]:
    return ((Place(0, first + number), verdict) for number, verdict in enumerate(verdicts))
