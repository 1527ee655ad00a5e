"""An event handler with everything real but its neighbours: no network, no child process, no waiting."""

import asyncio
import math
import random
from pathlib import Path

from pipeline import images
from pipeline.checkpoint import Checkpoint
from pipeline.verdict import RgbImage
from pipeline.wire.events import Addressing
from pipeline.wire.messages import ModelRef
from tests.support.engines import DigestEngine
from tests.support.fakes import FakeStore
from tests.support.fakes_kafka import FakePublisher
from worker.common.retry import Retrier, RetryPolicy
from worker.handler import EventHandler, VerdictOrigin
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.observe.event_observer import EventObserver
from worker.observe.telemetry import Metrics, Tracing
from worker.serving.bounded_decoder import BoundedDecoder, Decoder
from worker.serving.pixel_budget import PixelBudget
from worker.storage.retrying_store import RetryingStore

BUCKET = "photos"


class InProcessDecoder:
    """Decodes in this process, without the sandbox."""

    async def decode(self, data: bytes) -> RgbImage:
        await asyncio.sleep(0)
        return images.decode(data, max_pixels=1_000_000)


def build_retrier(patience_s: float = 60) -> Retrier:
    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    policy = RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=patience_s)
    return Retrier(policy, clock=lambda: 0.0, sleep=sleep, rng=random.Random(0))


def build_handler(
    store: FakeStore,
    publisher: FakePublisher,
    engine: DigestEngine,
    *,
    decoder: Decoder | None = None,
    budget_px: int = 10_000_000,
) -> EventHandler:
    return EventHandler(
        addressing=Addressing("http://127.0.0.1:9000", frozenset({BUCKET})),
        store=RetryingStore(store, lambda _bucket: build_retrier()),
        decoder=BoundedDecoder(decoder or InProcessDecoder(), turns=2, budget=PixelBudget(budget_px)),
        engine=engine,
        origin=VerdictOrigin(
            checkpoint=Checkpoint(Path("tiny"), engine.card, "sha256:0"),
            model=ModelRef(name="tiny", revision="sha256:0", prompt_version="1", prompt_sha256="0", engine="stand-in"),
            worker="worker-1",
        ),
        publisher=RetryingPublisher(publisher, verdict_retrier=build_retrier(), letter_retrier=build_retrier(math.inf)),
        sampler=None,
        observer=EventObserver(Metrics(), Tracing("worker-1", "group")),
    )
