import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from training.estimates.divergence import Divergence, DriftLevel, compare_counts


def compare(before: dict[str, int], now: dict[str, int], *, comparisons: int = 1, is_rate: bool = False) -> Divergence:
    sizes = sum(before.values()), sum(now.values())
    return compare_counts(before, now, sizes=sizes, comparisons=comparisons, is_rate=is_rate)


def test_both_distances_are_those_of_the_books() -> None:
    found = compare({"a": 50_000, "b": 50_000}, {"a": 70_000, "b": 30_000})
    assert found.psi == pytest.approx(0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5), rel=1e-3)
    assert found.js == pytest.approx(jensenshannon([0.5, 0.5], [0.7, 0.3], base=2) ** 2, rel=1e-3)
    assert found.level is DriftLevel.WATCH
    assert (found.moved, found.before, found.after) == (
        "b",
        pytest.approx(0.5, abs=0.001),
        pytest.approx(0.3, abs=0.001),
    )


def test_a_large_move_is_an_alarm() -> None:
    assert compare({"a": 900, "b": 100}, {"a": 500, "b": 500}).level is DriftLevel.ALARM


def test_a_certain_but_small_move_is_none() -> None:
    found = compare({"a": 500_000, "b": 500_000}, {"a": 510_000, "b": 490_000})
    assert found.psi > found.noise
    assert found.level is DriftLevel.STEADY


def test_a_rare_flag_that_triples_is_an_alarm_although_its_index_is_small() -> None:
    found = compare({"no": 98_000, "yes": 2000}, {"no": 94_000, "yes": 6000}, is_rate=True)
    assert found.psi < 0.1
    assert found.level is DriftLevel.ALARM


@pytest.mark.parametrize(("before", "now"), [({"a": 40}, {"b": 1000}), ({"a": 1000}, {"b": 40}), ({}, {"a": 1000})])
def test_too_few_verdicts_have_no_level(before: dict[str, int], now: dict[str, int]) -> None:
    assert compare(before, now).level is DriftLevel.UNKNOWN


def test_one_bin_alone_is_no_distance() -> None:
    assert compare({"a": 100}, {"a": 200}) == Divergence(0.0, 0.0, 0.0, DriftLevel.STEADY)


@pytest.mark.parametrize("verdicts", [50, 200, 1000])
@pytest.mark.parametrize("shares", [[0.1] * 10, [0.6, 0.3, 0.05, 0.03, 0.01, 0.005, 0.005], [0.97, 0.03]])
def test_small_windows_of_the_same_traffic_raise_no_alarm(verdicts: int, shares: list[float]) -> None:
    rng = np.random.default_rng(verdicts)
    alarms = 0
    for _ in range(300):
        before, now = (
            dict(zip("abcdefghij", map(int, rng.multinomial(size, shares)), strict=False)) for size in (5000, verdicts)
        )
        alarms += compare(before, now, comparisons=1, is_rate=len(shares) == 2).level > DriftLevel.STEADY
    assert alarms <= 9  # 1 % is allowed
