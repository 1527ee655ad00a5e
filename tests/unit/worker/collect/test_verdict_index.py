from datetime import UTC, datetime, timedelta

import pytest

from pipeline.labeling.case_search import Selection
from pipeline.wire.messages import VerdictEvent
from tests.support.verdicts import build_verdict
from worker.collect.verdict_index import Place, VerdictIndex
from worker.sampling.label_case import name_case

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def index() -> VerdictIndex:
    return VerdictIndex(max_verdicts=100)


def build(event_id: str, *, minute: int = 0, key: str = "a.png", digit: str = "a") -> VerdictEvent:
    return build_verdict(event_id=event_id, decided_at=NOON + timedelta(minutes=minute), key=key, sha256=digit * 64)


def test_the_latest_verdict_of_an_event_comes_first_in_whatever_order_they_arrive(index: VerdictIndex) -> None:
    index.add([(Place(0, 7), build("a", minute=2)), (Place(1, 3), build("a", minute=9)), (Place(0, 8), build("b"))])
    index.add([(Place(2, 0), build("a", minute=1))])
    assert index.find_places("a") == [Place(1, 3), Place(0, 7), Place(2, 0)]
    assert index.find_places("c") == []


def test_a_verdict_that_is_read_again_is_one(index: VerdictIndex) -> None:
    for _ in range(2):
        index.add([(Place(0, 7), build("a"))])
    assert (len(index), index.find_places("a")) == (1, [Place(0, 7)])


def test_images_are_found_by_event_and_by_object_and_cases_by_image(index: VerdictIndex) -> None:
    first, repost = build("a", key="a.png"), build("b", key="b.png")
    index.add([(Place(0, 0), first), (Place(0, 1), repost), (Place(0, 2), build("c", key="c.png", digit="c"))])
    by_event, by_object = frozenset({"b"}), frozenset({("uploads", "c.png")})
    assert index.find_images(Selection(event_ids=by_event)) == {"a" * 64}
    assert index.find_images(Selection(objects=by_object)) == {"c" * 64}
    assert index.find_images(Selection(event_ids=by_event, objects=by_object)) == {"a" * 64, "c" * 64}
    assert index.find_images(Selection(sha256s=frozenset({"a" * 64}))) == frozenset()
    assert index.find_case_keys("a" * 64) == [name_case(first), name_case(repost)]
    assert index.find_case_keys("0" * 64) == []


def test_the_oldest_are_dropped_and_the_index_says_until_when() -> None:
    index = VerdictIndex(max_verdicts=3)
    assert index.dropped_until < NOON - timedelta(days=365 * 1000)
    for number in range(5):
        index.add([(Place(0, number), build(f"event-{number}", minute=number))])
    assert [bool(index.find_places(f"event-{number}")) for number in range(5)] == [False, False, True, True, True]
    assert (len(index), index.dropped_until) == (3, NOON + timedelta(minutes=1))


def test_each_partition_has_its_first_time(index: VerdictIndex) -> None:
    index.add([(Place(0, 1), build("a", minute=5)), (Place(0, 2), build("b", minute=3)), (Place(4, 1), build("c"))])
    assert index.find_first_times() == {0: NOON + timedelta(minutes=3), 4: NOON}


def test_half_a_surrogate_pair_in_a_name_finds_nothing(index: VerdictIndex) -> None:
    assert index.find_places("\ud800") == []
