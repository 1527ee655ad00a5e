import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import replace
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Query
from pipeline.errors import BrokerUnavailable, EngineDead, GenerationFailed, ImageUndecodable, StoreUnavailable
from pipeline.verdict import Status
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.urls import Addressing
from tests.support.builders import build_noise, build_notification, build_record, encode_image
from tests.support.engines import DigestEngine
from tests.support.fakes import FakeS3, FakeStore
from tests.support.fakes_kafka import FakeBroker, FakePublisher
from tests.support.handlers import BUCKET, InProcessDecoder, build_handler
from tests.support.image_files.gif import GifFrame, build_gif, fill, tile
from tests.unit.worker.sampling.test_label_sampler import EVERYTHING, MemoryBucket
from worker.handler import EventHandler, ImageDecoder, Outcome
from worker.observe.event_observer import EventObserver
from worker.observe.telemetry import Metrics, Tracing
from worker.sampling.label_sampler import LabelSampler

PNG = encode_image(build_noise(), "PNG")
ANIMATION_WITHOUT_END = build_gif((64, 48), [GifFrame(fill(64, 48, 1)), GifFrame(tile(64, 48))])[:-1]
URL = {"schema_version": 1, "url": f"s3://{BUCKET}/a.png", "id": "event-1"}


class BrokenDecoder(InProcessDecoder):
    def open_image(self, data: bytes, *, view_max_pixels: int) -> NoReturn:
        raise ZeroDivisionError("our bug")


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def store() -> FakeStore:
    s3 = FakeS3(buckets={BUCKET: {}})
    s3.put(BUCKET, "a.png", PNG)
    return FakeStore(s3)


def build(
    store: FakeStore,
    broker: FakeBroker,
    *,
    before: Callable[[Query], Awaitable[None]] | None = None,
    decoder: ImageDecoder | None = None,
    publisher: FakePublisher | None = None,
    budget_bytes: int = 100_000_000,
    max_judging: int = 1000,
    sampler: LabelSampler | None = None,
    fraction: float = 1.0,
) -> EventHandler:
    engine = DigestEngine(CheckpointCard(), before=before)
    return build_handler(
        store,
        publisher or broker.build_publisher(),
        engine,
        decoder=decoder,
        max_image_bytes=len(PNG),
        budget_bytes=budget_bytes,
        max_judging=max_judging,
        sampler=sampler,
        fraction=fraction,
    )


def read_verdicts(broker: FakeBroker) -> list[VerdictEvent]:
    return [VerdictEvent.model_validate_json(message.value or b"") for message in broker.verdicts]


def read_codes(broker: FakeBroker) -> list[tuple[bytes, bytes]]:
    letters = [dict(message.headers) for message in broker.dead_letters]
    return [(letter["zoomin-dlt-code"], letter["zoomin-dlt-stage"]) for letter in letters]


async def test_a_verdict_says_what_was_judged_and_how(store: FakeStore, broker: FakeBroker) -> None:
    outcome = await build(store, broker).handle(build_record(URL))
    assert outcome == Outcome((None,))
    (verdict,) = read_verdicts(broker)
    assert verdict.event_id == "event-1"
    assert verdict.record.offset == 42
    assert verdict.status is Status.COMPLETE
    assert [region.zoomed for region in verdict.scan.regions] == [True] * len(verdict.scan.regions)
    assert verdict.model.name == "tiny"
    assert (verdict.image.frames, verdict.image.frame, verdict.image.repaired) == (1, 0, False)


async def test_a_verdict_names_the_frame_that_was_judged_and_a_repaired_file(broker: FakeBroker) -> None:
    s3 = FakeS3(buckets={BUCKET: {}})
    s3.put(BUCKET, "a.png", ANIMATION_WITHOUT_END)
    await build(FakeStore(s3), broker).handle(build_record(URL))
    (verdict,) = read_verdicts(broker)
    image = verdict.image
    assert (image.format, image.frames, image.frame, image.repaired) == ("gif", 2, 1, True)


async def test_an_event_that_comes_while_models_change_is_judged_by_the_new_one(
    store: FakeStore, broker: FakeBroker
) -> None:
    answering = build(store, broker)
    async with answering.barrier.enter() as old:
        pass
    new = replace(old, ref=old.ref.model_copy(update={"revision": "sha256:new"}))
    async with answering.barrier.close(deadline_s=1.0):
        handling = asyncio.create_task(answering.handle(build_record(URL)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert read_verdicts(broker) == []
        answering.barrier.change_model(new)
    assert await handling == Outcome((None,))
    assert [verdict.model.revision for verdict in read_verdicts(broker)] == ["sha256:new"]


async def test_the_same_event_gets_the_same_verdict_id(store: FakeStore, broker: FakeBroker) -> None:
    answering = build(store, broker)
    await answering.handle(build_record(URL))
    await answering.handle(build_record(URL, offset=43))
    first, second = read_verdicts(broker)
    assert first.verdict_id == second.verdict_id


async def test_what_concerns_nobody_is_ignored(store: FakeStore, broker: FakeBroker) -> None:
    removed = build_notification((BUCKET, "a.png"), name="ObjectRemoved:Delete")
    assert await build(store, broker).handle(build_record(removed)) == Outcome(())
    assert not broker.verdicts
    assert not broker.dead_letters


async def test_a_share_of_the_events_is_judged_and_the_others_are_counted(store: FakeStore, broker: FakeBroker) -> None:
    metrics = Metrics()
    handler = replace(build(store, broker, fraction=0.5), observer=EventObserver(metrics, Tracing("worker-1", "group")))
    outcomes = {}
    for number in range(40):
        name = f"event-{number}"
        outcomes[name] = await handler.handle(build_record({**URL, "id": name}, offset=number))
    judged = [name for name, outcome in outcomes.items() if outcome == Outcome((None,))]
    assert [verdict.event_id for verdict in read_verdicts(broker)] == judged
    assert 10 < len(judged) < 30
    assert {outcome for name, outcome in outcomes.items() if name not in judged} == {Outcome(())}
    assert metrics.registry.get_sample_value("zoomin_events_total", {"outcome": "left_out"}) == 40 - len(judged)


async def test_of_a_record_with_several_images_some_may_be_in_the_share(store: FakeStore, broker: FakeBroker) -> None:
    record = build_record(build_notification(*[(BUCKET, "a.png")] * 20))
    outcome = await build(store, broker, fraction=0.5).handle(record)
    assert 0 < len(outcome.codes) < 20
    assert len(read_verdicts(broker)) == len(outcome.codes)


async def test_each_image_of_a_record_is_answered_for_itself(store: FakeStore, broker: FakeBroker) -> None:
    both = build_record(build_notification((BUCKET, "gone.png"), (BUCKET, "a.png")))
    assert await build(store, broker).handle(both) == Outcome(("image_missing", None))
    assert [verdict.image.key for verdict in read_verdicts(broker)] == ["a.png"]
    assert read_codes(broker) == [(b"image_missing", b"fetch")]
    assert dict(broker.dead_letters[0].headers)["zoomin-dlt-index"] == b"0"


async def test_one_bad_entry_of_a_notification_costs_its_nine_neighbours_nothing(
    store: FakeStore, broker: FakeBroker
) -> None:
    entries = [(BUCKET, "a.png")] * 10
    entries[3] = ("secret", "a.png")
    record = build_record(build_notification(*entries))
    assert await build(store, broker).handle(record) == Outcome((*[None] * 3, "bucket_forbidden", *[None] * 6))
    assert len(read_verdicts(broker)) == 9
    (letter,) = broker.dead_letters
    headers = dict(letter.headers)
    assert (headers["zoomin-dlt-index"], headers["zoomin-dlt-stage"]) == (b"3", b"parse")
    assert letter.value == record.value


async def test_a_record_that_cannot_be_read_is_one_letter_without_an_index(
    store: FakeStore, broker: FakeBroker
) -> None:
    assert await build(store, broker).handle(build_record(b"{")) == Outcome(("malformed_event",))
    assert read_codes(broker) == [(b"malformed_event", b"parse")]
    assert "zoomin-dlt-index" not in dict(broker.dead_letters[0].headers)


async def test_bad_luck_is_tried_again_before_it_is_a_dead_letter(store: FakeStore, broker: FakeBroker) -> None:
    await build(store, broker).handle(build_record({**URL, "url": f"s3://{BUCKET}/gone.png"}))
    (letter,) = broker.dead_letters
    assert dict(letter.headers)["zoomin-dlt-attempts"] == b"3"


async def test_an_outage_of_the_store_costs_no_event(store: FakeStore, broker: FakeBroker) -> None:
    refusals = iter([StoreUnavailable("away")] * 20)

    class Away(FakeStore):
        async def fetch(self, image, **options):  # type: ignore[no-untyped-def]
            if refusal := next(refusals, None):
                raise refusal
            return await super().fetch(image, **options)

    assert await build(Away(store.s3), broker).handle(build_record(URL)) == Outcome((None,))


async def test_an_outage_of_the_broker_costs_no_verdict(store: FakeStore, broker: FakeBroker) -> None:
    publisher = broker.build_publisher()
    publisher.errors = [BrokerUnavailable("away")] * 20
    assert await build(store, broker, publisher=publisher).handle(build_record(URL)) == Outcome((None,))
    assert len(broker.verdicts) == 1


async def test_a_bug_of_ours_costs_one_event_and_says_what_it_was(store: FakeStore, broker: FakeBroker) -> None:
    assert await build(store, broker, decoder=BrokenDecoder()).handle(build_record(URL)) == Outcome(("internal_fault",))
    (letter,) = broker.dead_letters
    assert b"ZeroDivisionError" in dict(letter.headers)["zoomin-dlt-detail"]  # type: ignore[operator]
    assert read_codes(broker) == [(b"internal_fault", b"decode")]


class BrokenAllowList(Container[str]):
    def __contains__(self, name: object) -> bool:
        raise ZeroDivisionError("our bug")


async def test_a_bug_in_the_reading_costs_one_record(store: FakeStore, broker: FakeBroker) -> None:
    handler = replace(build(store, broker), addressing=Addressing(None, BrokenAllowList()))
    assert await handler.handle(build_record(URL)) == Outcome(("internal_fault",))
    assert read_codes(broker) == [(b"internal_fault", b"parse")]


async def test_a_broken_image_is_a_dead_letter_of_its_own_code(store: FakeStore, broker: FakeBroker) -> None:
    store.s3.put(BUCKET, "cut.png", PNG[:50])
    outcome = await build(store, broker).handle(build_record({**URL, "url": f"s3://{BUCKET}/cut.png"}))
    assert outcome == Outcome((ImageUndecodable("").code,))
    assert read_codes(broker) == [(b"image_undecodable", b"decode")]


async def test_without_a_scan_there_is_no_verdict(store: FakeStore, broker: FakeBroker) -> None:
    async def before(_query: Query) -> None:
        raise GenerationFailed("no")

    assert await build(store, broker, before=before).handle(build_record(URL)) == Outcome(("generation_failed",))
    assert read_codes(broker) == [(b"generation_failed", b"scan")]


async def test_without_a_check_the_scans_verdict_stands(store: FakeStore, broker: FakeBroker) -> None:
    async def before(query: Query) -> None:
        if "Query 2" in str(query.content[-1]):
            raise GenerationFailed("no")

    assert await build(store, broker, before=before).handle(build_record(URL)) == Outcome((None,))
    (verdict,) = read_verdicts(broker)
    assert verdict.status is Status.DEGRADED
    assert verdict.check is None


async def test_a_dead_engine_is_fatal_and_answers_nothing(store: FakeStore, broker: FakeBroker) -> None:
    async def before(_query: Query) -> None:
        raise EngineDead("spent")

    with pytest.raises(EngineDead):
        await build(store, broker, before=before).handle(build_record(URL))
    assert not broker.verdicts
    assert not broker.dead_letters


@pytest.mark.parametrize("bounds", [{"budget_bytes": 2 * len(PNG)}, {"max_judging": 2}])
async def test_files_and_judged_events_stay_within_their_bounds(
    bounds: dict[str, int], store: FakeStore, broker: FakeBroker
) -> None:
    asked_at_once = most = 0

    async def before(_query: Query) -> None:
        nonlocal asked_at_once, most
        asked_at_once += 1
        most = max(most, asked_at_once)
        for _ in range(20):  # others would come meanwhile
            await asyncio.sleep(0)
        asked_at_once -= 1

    answering = build(store, broker, before=before, **bounds)
    await asyncio.gather(*(answering.handle(build_record(URL, offset=offset)) for offset in range(10)))
    assert len(broker.verdicts) == 10
    assert most == 2


class FailingEncoder:
    async def encode_png(self, data: bytes, size_px: tuple[int, int]) -> bytes:
        raise ZeroDivisionError("our bug, after the verdict")


@settings(max_examples=20)  # each writes the traceback of the failing encoder
@given(timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 1_700_000_000_000_000]))
async def test_what_happens_after_a_verdict_neither_repeats_nor_ends_it(timestamp_ms: int) -> None:
    s3, broker = FakeS3(buckets={BUCKET: {}}), FakeBroker()
    s3.put(BUCKET, "a.png", PNG)
    sampler = LabelSampler(
        MemoryBucket(), FailingEncoder(), EVERYTHING, metrics=Metrics(), clock=lambda: 0.0, write_timeout_s=60
    )
    answering = build(FakeStore(s3), broker, sampler=sampler)
    assert await answering.handle(build_record(URL, timestamp_ms=timestamp_ms)) == Outcome((None,))
    assert len(broker.verdicts) == 1
    assert not broker.dead_letters
    (verdict,) = read_verdicts(broker)
    assert verdict.timing_s["total"] < 20 * 365 * 86_400
