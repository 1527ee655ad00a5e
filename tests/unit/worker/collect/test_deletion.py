from datetime import UTC, date, datetime

import pytest

from pipeline.errors import MalformedEvent, VerdictMissing
from pipeline.wire.labels import build_case_key, build_image_key, build_label_key, build_tombstone_key
from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_record
from tests.support.collecting import Desk
from tests.support.labels import build_case
from tests.support.verdicts import build_verdict
from worker.sampling.label_case import name_case

FIRST, REPOST = build_verdict(key="a.png"), build_verdict(event_id="event-2", key="b.png")
OTHER = build_verdict(event_id="event-3", key="c.png", sha256="0" * 64)
OLD = build_verdict(event_id="old", key="old.png")


def put_case(desk: Desk, verdict: VerdictEvent, *, day: date | None = None) -> list[str]:
    case = build_case(verdict)
    key = name_case(verdict) if day is None else build_case_key(case.case_id, day)
    keys = [key, build_label_key(case.case_id, "1"), build_image_key(verdict.image.sha256)]
    desk.bucket.objects |= {key: case.model_dump_json().encode()} | dict.fromkeys(keys[1:], b"{}")
    return keys


@pytest.fixture
def desk() -> Desk:
    """Three images in the index, one of them brought twice, and an older case of that one that the index lacks."""
    desk = Desk()
    desk.publish(FIRST, REPOST, OTHER)
    for verdict in (FIRST, REPOST, OTHER):
        put_case(desk, verdict)
    put_case(desk, OLD, day=date(2024, 12, 31))
    return desk


async def collect(desk: Desk, **names: object) -> None:
    record = build_record({"time": "2026-01-02T00:00:00Z"} | names)
    await desk.deletions.collect(record, desk.start_stopwatch())


@pytest.mark.parametrize(
    "names",
    [
        {"event_id": "event-1"},
        {"event_id": "old"},
        {"url": "s3://uploads/b.png"},
        {"url": "s3://uploads/old.png"},
        {"sha256": "ab" * 32},
        {"sha256": "AB" * 32},
        {"event_id": "never", "sha256": "ab" * 32},
    ],
)
async def test_all_of_an_image_goes_by_any_of_its_names(desk: Desk, names: dict[str, object]) -> None:
    others = {key for key in desk.bucket.objects if OTHER.verdict_id in key or OTHER.image.sha256 in key}
    await collect(desk, **names)
    assert desk.bucket.objects.keys() == {*others, build_tombstone_key("ab" * 32)}
    assert desk.read_outcomes() == {"erased": 1.0}


async def test_a_repeat_changes_nothing(desk: Desk) -> None:
    await collect(desk, event_id="event-1")
    before = dict(desk.bucket.objects)
    await collect(desk, event_id="event-1")
    assert desk.bucket.objects == before


async def test_cases_that_the_index_covers_are_not_read(desk: Desk) -> None:
    desk.topic.complete_since = datetime(2024, 12, 31, tzinfo=UTC)
    await collect(desk, event_id="event-1")
    reads = [key for verb, key in desk.bucket.requests if verb == "get" and key.startswith("cases/")]
    assert reads == [build_case_key(OLD.verdict_id, date(2024, 12, 31))]


async def test_an_image_that_nobody_knows_yet_may_be_forbidden_by_its_digest(desk: Desk) -> None:
    await collect(desk, sha256="f" * 64)
    assert build_tombstone_key("f" * 64) in desk.bucket.objects


@pytest.mark.parametrize("names", [{"event_id": "never"}, {"url": "s3://uploads/never.png"}])
async def test_a_name_without_a_verdict_is_a_letter_not_a_silence(desk: Desk, names: dict[str, object]) -> None:
    with pytest.raises(VerdictMissing):
        await collect(desk, **names)


async def test_a_url_of_another_kind_is_refused(desk: Desk) -> None:
    with pytest.raises(MalformedEvent, match="URL"):
        await collect(desk, url="ftp://uploads/a.png")
