import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipeline.wire.entries import ImageEvent, ImageRef, Place
from pipeline.wire.events import parse_record
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from tests.support.verdicts import build_verdict
from worker.cli.rejudging import MOST_NAMES, ServingRevisions, build_rejudge_message, read_rejudged
from worker.kafka.outgoing import OutgoingMessage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def build_stored(verdict: VerdictEvent, **headers: bytes) -> RawRecord:
    value = verdict.model_dump_json().encode()
    return RawRecord("zoomin.verdicts", 3, 77, 0, b"\xffkey", value, tuple(headers.items()))


def receive(message: OutgoingMessage) -> RawRecord:
    return RawRecord("zoomin.images", 0, 5, 0, message.key, message.value, message.headers)


@pytest.mark.parametrize("key", ["a/photo.png", "a b+c%2F?x#y.png", "ünï/漢.png"])
def test_the_worker_reads_the_same_event_for_the_same_bytes(key: str) -> None:
    verdict = build_verdict(event_id="e 1/ü", key=key)
    verdict = verdict.model_copy(update={"attributes": {"tenant": "t1"}})
    record = receive(build_rejudge_message(verdict, build_stored(verdict)))
    image = ImageRef("uploads", key, "e", None, "ab" * 32)
    assert parse_record(record, Addressing(None, frozenset({"uploads"}))) == [
        ImageEvent("e 1/ü", image, "web", {"tenant": "t1"})
    ]


def test_key_and_trace_of_the_verdict_go_with_it_and_its_place_is_named() -> None:
    verdict = build_verdict(event_id="e1")
    message = build_rejudge_message(verdict, build_stored(verdict, traceparent=b"00-1-2-01", other=b"x"))
    assert message.key == b"\xffkey"
    assert dict(message.headers) == {
        "content-type": b"application/json",
        "traceparent": b"00-1-2-01",
        "zoomin-event-id": b"e1",
        "zoomin-rejudge-of": b"zoomin.verdicts/3@77",
    }
    assert "version_id" not in json.loads(message.value or b"")
    assert read_rejudged(receive(message)) == ("e1", Place("zoomin.verdicts", 3, 77))


def test_a_verdict_that_no_event_can_repeat_is_refused() -> None:
    verdict = build_verdict(source="s" * 300)
    with pytest.raises(ValidationError, match="source"):
        build_rejudge_message(verdict, build_stored(verdict))


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("zoomin-event-id", b"e1"), ("zoomin-replay", b"1")),
        (("zoomin-rejudge-of", b"zoomin.verdicts/3@77"),),
        (("zoomin-event-id", b"e1"), ("zoomin-rejudge-of", b"\xff")),
    ],
)
def test_other_records_were_not_sent_by_a_rejudge(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    assert read_rejudged(RawRecord("zoomin.images", 0, 1, 0, b"k", b"v", headers)) is None


def answer(worker: str, digit: str, minute: int) -> VerdictEvent:
    verdict = build_verdict(decided_at=NOON + timedelta(minutes=minute))
    model = verdict.model.model_copy(update={"revision": digit})
    return verdict.model_copy(update={"worker": worker, "model": model})


def test_the_newest_verdict_says_what_serves_and_workers_may_be_behind() -> None:
    serving = ServingRevisions()
    for verdict in (answer("w1", "b", 0), answer("w2", "b", 9), answer("w1", "a", 12), answer("gone", "b", 1)):
        serving.add(verdict)
    assert serving.newest == (NOON + timedelta(minutes=12), "a")
    assert (serving.list_workers("b"), serving.list_workers("a")) == (["w2"], ["w1"])
    assert serving.counts == {"b": 3, "a": 1}


def test_without_verdicts_nobody_serves() -> None:
    assert ServingRevisions().list_workers("a") == []


def test_the_names_that_are_held_are_bounded() -> None:
    serving = ServingRevisions()
    for number in range(MOST_NAMES + 50):
        serving.add(answer(f"w{number}", f"r{number}", 0))
    assert (len(serving.by_worker), len(serving.counts)) == (MOST_NAMES, MOST_NAMES)
    assert "w0" not in serving.by_worker
