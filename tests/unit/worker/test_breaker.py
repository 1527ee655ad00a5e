"""The breaker trips on what may be our own fault and on nothing else."""

import pytest

from worker.breaker import MINIMUM, OUR_FAULT, WINDOW, Breaker


def fed(*codes: str | None) -> Breaker:
    breaker = Breaker()
    for code in codes:
        breaker.count(code)
    return breaker


@pytest.mark.parametrize("code", sorted(OUR_FAULT))
def test_trips_when_half_of_recent_events_are_our_fault(code: str) -> None:
    assert fed(*[code, None] * (WINDOW // 2)).tripped


def test_holds_just_below_half() -> None:
    faults = WINDOW // 2 - 1
    assert not fed(*["internal_fault"] * faults, *[None] * (WINDOW - faults)).tripped


def test_few_events_do_not_trip_it() -> None:
    assert not fed(*["internal_fault"] * (MINIMUM - 1)).tripped
    assert fed(*["internal_fault"] * MINIMUM).tripped


def test_what_senders_cause_never_trips_it() -> None:
    assert not fed(*["malformed_event", "image_missing", "image_denied", "store_unavailable"] * WINDOW).tripped


def test_old_faults_are_forgotten() -> None:
    assert not fed(*["engine_poison"] * WINDOW, *[None] * (WINDOW // 2 + 1)).tripped


def test_detail_names_codes_and_counts() -> None:
    detail = fed(*["engine_poison"] * 21, "internal_fault", None).detail
    assert "last 23 events" in detail
    assert "21 engine_poison, 1 internal_fault" in detail
