import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Query
from pipeline.errors import BrokerUnavailable, EngineDead, GenerationFailed, ImageUndecodable, StoreUnavailable
from pipeline.images import decode
from pipeline.verdict import RgbImage, Status
from pipeline.wire.events import Addressing
from pipeline.wire.messages import ModelRef, VerdictEvent
from tests.support.builders import encoded, noise, notification, record
from tests.support.engines import DigestEngine
from tests.support.fakes import FakeS3, FakeStore
from tests.support.fakes_kafka import FakeBroker, FakePublisher
from worker.common.retry import Retrier, RetryPolicy
from worker.handler import EventHandler, Outcome
from worker.observe.telemetry import Metrics, Tracing
from worker.serving.pixel_budget import PixelBudget

BUCKET = "photos"
PNG = encoded(noise(), "PNG")
URL = {"schema_version": 1, "url": f"s3://{BUCKET}/a.png", "id": "event-1"}


class Decoder:
    """The real decoding, in this process."""

    def __init__(self) -> None:
        self.held_at_most = 0

    async def decode(self, data: bytes) -> RgbImage:
        await asyncio.sleep(0)
        return decode(data, max_pixels=1_000_000)


class Broken:
    async def decode(self, data: bytes) -> RgbImage:
        raise ZeroDivisionError("our bug")


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def store() -> FakeStore:
    s3 = FakeS3(buckets={BUCKET: {}})
    s3.put(BUCKET, "a.png", PNG)
    return FakeStore(s3)


def retrier(patience_s: float = 60) -> Retrier:
    async def no_sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    policy = RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=patience_s)
    return Retrier(policy, clock=lambda: 0.0, sleep=no_sleep, rng=random.Random(0))


def handler(
    store: FakeStore,
    broker: FakeBroker,
    *,
    before: Callable[[Query], Awaitable[None]] | None = None,
    decoder: object = None,
    publisher: FakePublisher | None = None,
    budget_px: int = 10_000_000,
) -> EventHandler:
    card = CheckpointCard()
    stores = retrier()
    return EventHandler(
        addressing=Addressing("http://127.0.0.1:9000", frozenset({BUCKET})),
        store=store,
        decoder=decoder or Decoder(),  # type: ignore[arg-type]
        decode_turns=asyncio.Semaphore(2),
        pixels=PixelBudget(budget_px),
        engine=DigestEngine(card, before=before),
        publisher=publisher or broker.publisher(),
        labels=None,
        store_retrier=lambda _bucket: stores,
        verdict_retrier=retrier(),
        letter_retrier=retrier(math.inf),
        checkpoint=Checkpoint(Path("tiny"), card, "sha256:0"),
        model=ModelRef(name="tiny", revision="sha256:0", prompt_version="1", prompt_sha256="0", engine="stand-in"),
        worker="worker-1",
        metrics=Metrics(),
        tracing=Tracing("worker-1", "group"),
    )


def verdicts(broker: FakeBroker) -> list[VerdictEvent]:
    return [VerdictEvent.model_validate_json(message.value or b"") for message in broker.verdicts]


def codes(broker: FakeBroker) -> list[tuple[bytes, bytes]]:
    letters = [dict(message.headers) for message in broker.dead_letters]
    return [(letter["zoomin-dlt-code"], letter["zoomin-dlt-stage"]) for letter in letters]


async def test_a_verdict_says_what_was_judged_and_how(store: FakeStore, broker: FakeBroker) -> None:
    outcome = await handler(store, broker).handle(record(URL))
    assert outcome == Outcome((None,))
    (verdict,) = verdicts(broker)
    assert verdict.event_id == "event-1"
    assert verdict.record.offset == 42
    assert verdict.status is Status.COMPLETE
    assert [region.zoomed for region in verdict.scan.regions] == [True] * len(verdict.scan.regions)
    assert verdict.model.name == "tiny"


async def test_the_same_event_gets_the_same_verdict_id(store: FakeStore, broker: FakeBroker) -> None:
    answering = handler(store, broker)
    await answering.handle(record(URL))
    await answering.handle(record(URL, offset=43))
    first, second = verdicts(broker)
    assert first.verdict_id == second.verdict_id


async def test_what_concerns_nobody_is_ignored(store: FakeStore, broker: FakeBroker) -> None:
    removed = notification((BUCKET, "a.png"), name="ObjectRemoved:Delete")
    assert await handler(store, broker).handle(record(removed)) == Outcome(())
    assert not broker.verdicts
    assert not broker.dead_letters


async def test_each_image_of_a_record_is_answered_for_itself(store: FakeStore, broker: FakeBroker) -> None:
    both = record(notification((BUCKET, "gone.png"), (BUCKET, "a.png")))
    assert await handler(store, broker).handle(both) == Outcome(("image_missing", None))
    assert [verdict.image.key for verdict in verdicts(broker)] == ["a.png"]
    assert codes(broker) == [(b"image_missing", b"fetch")]


async def test_bad_luck_is_tried_again_before_it_is_a_dead_letter(store: FakeStore, broker: FakeBroker) -> None:
    await handler(store, broker).handle(record({**URL, "url": f"s3://{BUCKET}/gone.png"}))
    (letter,) = broker.dead_letters
    assert dict(letter.headers)["zoomin-dlt-attempts"] == b"3"


async def test_an_outage_of_the_store_costs_no_event(store: FakeStore, broker: FakeBroker) -> None:
    refusals = iter([StoreUnavailable("away")] * 20)

    class Away(FakeStore):
        async def fetch(self, image):  # type: ignore[no-untyped-def]
            if refusal := next(refusals, None):
                raise refusal
            return await super().fetch(image)

    assert await handler(Away(store.s3), broker).handle(record(URL)) == Outcome((None,))


async def test_an_outage_of_the_broker_costs_no_verdict(store: FakeStore, broker: FakeBroker) -> None:
    publisher = broker.publisher()
    publisher.errors = [BrokerUnavailable("away")] * 20
    assert await handler(store, broker, publisher=publisher).handle(record(URL)) == Outcome((None,))
    assert len(broker.verdicts) == 1


async def test_a_bug_of_ours_costs_one_event_and_says_what_it_was(store: FakeStore, broker: FakeBroker) -> None:
    assert await handler(store, broker, decoder=Broken()).handle(record(URL)) == Outcome(("internal_fault",))
    (letter,) = broker.dead_letters
    assert b"ZeroDivisionError" in dict(letter.headers)["zoomin-dlt-detail"]  # type: ignore[operator]


async def test_a_broken_image_is_a_dead_letter_of_its_own_code(store: FakeStore, broker: FakeBroker) -> None:
    store.s3.put(BUCKET, "cut.png", PNG[:500])
    outcome = await handler(store, broker).handle(record({**URL, "url": f"s3://{BUCKET}/cut.png"}))
    assert outcome == Outcome((ImageUndecodable("").code,))
    assert codes(broker) == [(b"image_undecodable", b"decode")]


async def test_without_a_scan_there_is_no_verdict(store: FakeStore, broker: FakeBroker) -> None:
    async def before(_query: Query) -> None:
        raise GenerationFailed("no")

    assert await handler(store, broker, before=before).handle(record(URL)) == Outcome(("generation_failed",))
    assert codes(broker) == [(b"generation_failed", b"scan")]


async def test_without_a_check_the_scans_verdict_stands(store: FakeStore, broker: FakeBroker) -> None:
    async def before(query: Query) -> None:
        if "Query 2" in str(query.content[-1]):
            raise GenerationFailed("no")

    assert await handler(store, broker, before=before).handle(record(URL)) == Outcome((None,))
    (verdict,) = verdicts(broker)
    assert verdict.status is Status.DEGRADED
    assert verdict.check is None


async def test_a_dead_engine_is_fatal_and_answers_nothing(store: FakeStore, broker: FakeBroker) -> None:
    async def before(_query: Query) -> None:
        raise EngineDead("spent")

    with pytest.raises(EngineDead):
        await handler(store, broker, before=before).handle(record(URL))
    assert not broker.verdicts
    assert not broker.dead_letters


async def test_pixels_of_all_events_stay_within_the_budget(store: FakeStore, broker: FakeBroker) -> None:
    asked_at_once = most = 0

    async def before(_query: Query) -> None:
        nonlocal asked_at_once, most
        asked_at_once += 1
        most = max(most, asked_at_once)
        for _ in range(20):  # others would come meanwhile
            await asyncio.sleep(0)
        asked_at_once -= 1

    answering = handler(store, broker, before=before, budget_px=2 * 64 * 48)
    await asyncio.gather(*(answering.handle(record(URL, offset=offset)) for offset in range(10)))
    assert len(broker.verdicts) == 10
    assert most == 2
