import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from training.estimates.intervals import estimate_mean, find_times_to_halve


def test_equal_weights_give_the_jeffreys_interval() -> None:
    values = np.array([1.0] * 8 + [0.0] * 52)
    found = estimate_mean(values, np.full(60, 1e6), np.ones(60, bool))
    assert found.value == pytest.approx(8 / 60)
    assert [found.low, found.high] == pytest.approx(beta.ppf([0.025, 0.975], 8.5, 52.5), rel=1e-3)
    assert found.effective == pytest.approx(61, rel=1e-3)


def test_a_case_weighs_the_inverse_of_its_probability() -> None:
    found = estimate_mean(np.array([1.0, 0.0]), np.array([30.0, 10.0]), np.ones(2, bool))
    assert found.value == pytest.approx(0.75)


def test_traffic_that_was_drawn_whole_is_known_exactly() -> None:
    found = estimate_mean(np.array([1.0, 0.0, 0.0, 1.0]), np.ones(4), np.ones(4, bool))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert math.isinf(found.effective)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_cases_that_all_agree_still_have_an_interval(value: float) -> None:
    found = estimate_mean(np.full(40, value), np.full(40, 20.0), np.ones(40, bool))
    assert found.low <= value <= found.high
    assert 0.04 < found.high - found.low < 0.1


def test_few_heavy_cases_make_the_interval_wide() -> None:
    """Among 100 light wrong cases, ten heavy right ones stand for nearly all traffic."""
    values = np.array([0.0] * 100 + [1.0] * 10)
    weights = np.array([1.5] * 100 + [100.0] * 10)
    found = estimate_mean(values, weights, np.ones(110, bool))
    assert found.value == pytest.approx(1000 / 1150)
    assert found.effective < 55
    assert found.low < 0.75


def test_cases_of_one_image_count_as_one() -> None:
    values, weights = np.repeat([1.0, 0.0] * 20, 5), np.full(200, 50.0)
    apart = estimate_mean(values, weights, np.ones(200, bool))
    together = estimate_mean(values, weights, np.ones(200, bool), np.arange(0, 200, 5))
    assert together.value == apart.value
    assert together.effective == pytest.approx(apart.effective / 5, rel=0.1)


def test_without_cases_there_is_no_number() -> None:
    found = estimate_mean(np.ones(3), np.ones(3), np.zeros(3, bool))
    assert np.isnan([found.value, found.low, found.high, found.effective]).all()


def test_many_samples_are_estimated_at_once() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.random((7, 30)), rng.uniform(1, 20, (7, 30))
    among = rng.random((7, 30)) < 0.5
    every = estimate_mean(values, weights, among)
    one = estimate_mean(values[3], weights[3], among[3])
    assert np.array([every.low[3], every.high[3]]) == pytest.approx(np.array([one.low, one.high]))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1000), st.booleans()), min_size=1, max_size=30),
)
def test_the_estimate_lies_in_its_interval(cases: list[tuple[float, float, bool]]) -> None:
    values, weights, among = (np.array(column) for column in zip(*cases, strict=True))
    found = estimate_mean(values, weights, among.astype(bool))
    if among.any():
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_about_four_times_as_many_cases_halve_the_interval() -> None:
    assert find_times_to_halve(0.8, 200) == pytest.approx(4, rel=0.05)
    assert 1.9 < find_times_to_halve(0.0, 200) < 2.2  # with no wrong case, its width falls as 1/n
    assert find_times_to_halve(0.5, math.inf) == 1
