"""An event handler with everything real but its neighbours: no network, no child process, no waiting."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.decoding.decode import decode
from pipeline.local_image import LocalImage
from pipeline.wire.events import Addressing
from pipeline.wire.messages import ModelRef
from tests.support.engines import DigestEngine
from tests.support.fakes import FakeStore
from tests.support.fakes_kafka import FakePublisher
from worker.common.retry import Retrier, RetryPolicy
from worker.event_share import EventShare
from worker.handler import EventHandler, ImageDecoder
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.observe.event_observer import EventObserver
from worker.observe.telemetry import Metrics, Tracing
from worker.sampling.label_sampler import LabelSampler
from worker.serving.barrier import ModelBarrier, ServedModel
from worker.storage.bounded_store import BoundedStore
from worker.storage.file_budget import FileBudget
from worker.storage.retrying_store import RetryingStore

BUCKET = "photos"


@dataclass(frozen=True, slots=True)
class DecodedInProcess(LocalImage):
    """A LocalImage with the description of its file."""

    @property
    def format(self) -> str:
        return self.image.format

    @property
    def frames(self) -> int:
        return self.image.frames

    @property
    def repaired(self) -> bool:
        return self.image.repaired

    @property
    def frame(self) -> int:
        return self.image.frame


class InProcessDecoder:
    """Decodes in this process, without the sandbox."""

    @asynccontextmanager
    async def open_image(self, data: bytes, *, view_max_pixels: int) -> AsyncIterator[DecodedInProcess]:
        await asyncio.sleep(0)
        yield DecodedInProcess(decode(data, max_pixels=1_000_000))


def build_retrier(patience_s: float = 60) -> Retrier:
    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    policy = RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=patience_s)
    return Retrier(policy, clock=lambda: 0.0, sleep=sleep, rng=random.Random(0))


def build_barrier(engine: DigestEngine) -> ModelBarrier:
    model = ModelRef(name="tiny", revision="sha256:0", prompt_version="1", prompt_sha256="0", engine="stand-in")
    return ModelBarrier(ServedModel(Checkpoint(Path("tiny"), engine.card, "sha256:0"), model))


def build_handler(
    store: FakeStore,
    publisher: FakePublisher,
    engine: DigestEngine,
    *,
    decoder: ImageDecoder | None = None,
    max_image_bytes: int = 1_000_000,
    budget_bytes: int = 100_000_000,
    max_judging: int = 1000,
    sampler: LabelSampler | None = None,
    barrier: ModelBarrier | None = None,
    fraction: float = 1.0,
) -> EventHandler:
    return EventHandler(
        addressing=Addressing("http://127.0.0.1:9000", frozenset({BUCKET})),
        share=EventShare(fraction, b"salt"),
        store=RetryingStore(BoundedStore(store, max_image_bytes), lambda _bucket: build_retrier()),
        decoder=decoder or InProcessDecoder(),
        file_budget=FileBudget(budget_bytes),
        judging=asyncio.Semaphore(max_judging),
        engine=engine,
        barrier=barrier or build_barrier(engine),
        worker="worker-1",
        publisher=RetryingPublisher(publisher, verdict_retrier=build_retrier(), letter_retrier=build_retrier(math.inf)),
        sampler=sampler,
        observer=EventObserver(Metrics(), Tracing("worker-1", "group")),
    )
