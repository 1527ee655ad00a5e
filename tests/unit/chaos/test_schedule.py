"""A seed is a whole course of faults."""

import pytest

from tests.chaos.schedule import (
    DENIALS,
    EVENTS_PER_S,
    KILLS,
    OTHERS,
    SESSION_TIMEOUT_S,
    SWAPS,
    Kind,
    duration_s,
    schedule,
)


def test_the_same_seed_is_the_same_course_and_another_is_another() -> None:
    assert schedule(7, kills=5, events=100, workers=3) == schedule(7, kills=5, events=100, workers=3)
    assert schedule(7, kills=5, events=100, workers=3) != schedule(8, kills=5, events=100, workers=3)


@pytest.mark.parametrize("kills", [0, 1, 2, 20])
def test_as_many_kills_as_asked_one_other_fault_more_and_each_denial_once(kills: int) -> None:
    kinds = [fault.kind for fault in schedule(1, kills=kills, events=100, workers=3)]
    assert sum(kind in KILLS for kind in kinds) == kills
    assert sum(kind in OTHERS for kind in kinds) == kills + 1
    assert sorted(kind for kind in kinds if kind in DENIALS) == sorted(DENIALS)


@pytest.mark.parametrize("seed", range(20))
def test_twenty_kills_bring_every_kind_upon_every_worker(seed: int) -> None:
    faults = schedule(seed, kills=20, events=1000, workers=3)
    assert {fault.kind for fault in faults} == set(Kind) - set(SWAPS)
    assert {fault.victim for fault in faults} == {0, 1, 2}


def test_a_seed_without_swaps_stays_the_course_that_it_was() -> None:
    kinds = [fault.kind.value for fault in schedule(12, kills=2, events=300, workers=3)]
    assert kinds == [
        "verdicts_denied",
        "s3_stopped",
        "worker_frozen",
        "broker_killed",
        "images_denied",
        "worker_killed",
        "broker_frozen",
    ]


@pytest.mark.parametrize("kills", [0, 2, 20])
def test_with_swaps_every_fault_of_the_model_takes_the_place_of_the_others(kills: int) -> None:
    kinds = [fault.kind for fault in schedule(1, kills=kills, events=100, workers=3, swaps=True)]
    assert sum(kind in KILLS for kind in kinds) == kills
    assert set(kinds) - set(KILLS) == {*SWAPS, *DENIALS}


@pytest.mark.parametrize("seed", range(20))
def test_a_frozen_worker_outsleeps_its_session(seed: int) -> None:
    frozen = [f for f in schedule(seed, kills=20, events=10, workers=3) if f.kind is Kind.WORKER_FROZEN]
    assert frozen
    assert all(fault.lasts_s > SESSION_TIMEOUT_S + 1 for fault in frozen)


def test_many_events_make_the_rests_longer_so_that_faults_reach_to_the_end() -> None:
    assert duration_s(schedule(3, kills=2, events=9000, workers=3)) == pytest.approx(9000 / EVENTS_PER_S)
