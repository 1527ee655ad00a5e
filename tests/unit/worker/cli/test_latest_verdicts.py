from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire.entries import Place
from pipeline.wire.messages import VerdictEvent
from tests.support.verdicts import build_verdict
from worker.cli.latest_verdicts import EventCounts, LatestVerdicts

BAD, GOOD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def build(event_id: str, revision: str, minute: int = 0) -> VerdictEvent:
    verdict = build_verdict(event_id=event_id, decided_at=NOON + timedelta(minutes=minute))
    return verdict.model_copy(update={"model": verdict.model.model_copy(update={"revision": revision})})


def at(offset: int, partition: int = 0) -> Place:
    return Place("zoomin.verdicts", partition, offset)


@pytest.fixture
def verdicts() -> Iterator[LatestVerdicts]:
    with LatestVerdicts(BAD) as opened:
        yield opened


def test_only_a_latest_verdict_of_the_revision_is_due(verdicts: LatestVerdicts) -> None:
    verdicts.add([(at(0), build("bad", BAD)), (at(1), build("again", BAD)), (at(2), build("good", GOOD))])
    verdicts.add([(at(3), build("again", GOOD, 1)), (at(4), build("worse", GOOD)), (at(5), build("worse", BAD, 1))])
    due = [name for name in ("bad", "again", "good", "worse") for place in range(6) if verdicts.is_due(name, at(place))]
    assert due == ["bad", "worse"]
    assert verdicts.count() == EventCounts(events=4, ever=3, latest=2, sent=0, first_decided_at=NOON)


def test_the_time_of_the_decision_counts_and_not_the_order_of_reading(verdicts: LatestVerdicts) -> None:
    verdicts.add([(at(7, 1), build("a", GOOD, 5)), (at(3, 0), build("a", BAD, 4))])
    assert not verdicts.is_due("a", at(3, 0))
    assert verdicts.count().ever == 1


def test_of_a_repeated_verdict_the_later_place_counts(verdicts: LatestVerdicts) -> None:
    verdicts.add([(at(0), build("a", BAD)), (at(1), build("a", BAD))])
    assert [verdicts.is_due("a", at(offset)) for offset in (0, 1)] == [False, True]


def test_what_was_sent_is_due_again_only_for_a_later_verdict(verdicts: LatestVerdicts) -> None:
    verdicts.add([(at(0), build("a", BAD)), (at(1), build("b", BAD)), (at(9), build("b", BAD, 1))])
    verdicts.mark_sent([("a", at(0)), ("b", at(1)), ("unknown", at(0))])
    assert [verdicts.is_due("a", at(0)), verdicts.is_due("b", at(1)), verdicts.is_due("b", at(9))] == [
        False,
        False,
        True,
    ]
    assert verdicts.count() == EventCounts(events=2, ever=2, latest=2, sent=1, first_decided_at=NOON)


def test_without_verdicts_nothing_is_counted(verdicts: LatestVerdicts) -> None:
    verdicts.mark_sent([("a", at(0))])
    assert verdicts.count() == EventCounts(events=0, ever=0, latest=0, sent=0, first_decided_at=None)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 5)),
        max_size=12,
        unique_by=lambda drawn: (drawn[0], drawn[2]),
    )
)
def test_it_agrees_with_a_plain_dictionary(drawn: list[tuple[str, bool, int]]) -> None:
    latest: dict[str, tuple[int, bool, int]] = {}
    with LatestVerdicts(BAD) as verdicts:
        for offset, (event_id, is_bad, minute) in enumerate(drawn):
            verdicts.add([(at(offset), build(event_id, BAD if is_bad else GOOD, minute))])
            latest[event_id] = max(latest.get(event_id, (-1, False, -1)), (minute, is_bad, offset))
        due = {(name, offset) for name in "abc" for offset in range(len(drawn)) if verdicts.is_due(name, at(offset))}
        counts = verdicts.count()
    assert due == {(name, offset) for name, (_, is_bad, offset) in latest.items() if is_bad}
    assert (counts.events, counts.latest) == (len(latest), len(due))
    assert counts.ever == len({name for name, is_bad, _ in drawn if is_bad})
