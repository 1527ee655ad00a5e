import numpy as np
import pytest

from tests.support.shadow_pools import build_judged, build_pool
from training.shadow.comparison import compare_pools, estimate_share, measure_hours
from training.shadow.judged_events import JudgedEvents, join_events


def judge(changes: dict[int, float], count: int = 100) -> tuple[JudgedEvents, JudgedEvents]:
    """Judge `count` events, one a minute, half of them generated; the challenger differs by `changes`."""
    base = {number: 0.9 if number % 2 else 0.1 for number in range(count)}
    pools = [
        build_pool(
            *(build_judged(f"event-{n}", p, minute=n, seconds=seconds) for n, p in (base | changed).items())
        ).judged
        for changed, seconds in (({}, 0.5), (changes, 0.75))
    ]
    return join_events(*pools)


def test_flips_are_counted_by_their_direction() -> None:
    compared = compare_pools(*judge({0: 0.8, 2: 0.7, 1: 0.3}))
    assert compared["joined"] == 100
    assert compared["flips"] | {"low": 0, "high": 0} == {
        "value": 0.03, "low": 0, "high": 0, "n": 100, "to_generated": 2, "to_real": 1,
    }  # fmt: skip
    assert compared["flips"]["low"] < 0.03 < compared["flips"]["high"]
    assert compared["agreement"]["value"] == 0.97
    assert compared["generated"] == {"champion": 0.5, "challenger": 0.51, "difference": 0.01}
    assert compared["seconds"]["champion"]["p50"] == pytest.approx(0.5)
    assert compared["seconds"]["challenger"]["p50"] == pytest.approx(0.75)


def test_pools_that_say_the_same_have_not_moved() -> None:
    compared = compare_pools(*judge({}))
    assert (compared["flips"]["value"], compared["flips"]["low"]) == (0.0, 0.0)
    moved = compared["p_generated"]
    assert (moved["mean_change"], moved["psi"], moved["level"]) == (0.0, 0.0, "steady")
    assert moved["champion"] == moved["challenger"]
    assert moved["bins"] == {"0.10": [50, 50], "0.90": [50, 50]}


def test_a_shift_that_flips_nothing_is_seen() -> None:
    compared = compare_pools(*judge(dict.fromkeys(range(1, 100, 2), 0.6)))
    assert compared["flips"]["value"] == 0.0
    assert compared["p_generated"]["level"] == "alarm"
    assert compared["p_generated"]["mean_change"] == pytest.approx(-0.15)


def test_a_share_has_the_exact_binomial_interval() -> None:
    none = estimate_share(np.zeros(100, bool))
    assert (none["low"], none["high"]) == (0.0, pytest.approx(0.0362, abs=1e-4))
    every = estimate_share(np.ones(100, bool))
    assert (every["low"], every["high"]) == (pytest.approx(0.9638, abs=1e-4), 1.0)


def test_hours_leave_out_gaps_of_more_than_an_hour() -> None:
    minutes = np.array([0, 30, 60, 600, 630, 690], np.int64)
    assert measure_hours(minutes[::-1] * 60_000_000) == pytest.approx(2.5)
    assert measure_hours(np.array([5], np.int64)) == 0.0
