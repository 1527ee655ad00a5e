import numpy as np
import pytest

from training.estimates.calibration import BINS, estimate_ece, estimate_reliability, find_bins

RNG = np.random.default_rng(0)


def test_bins_have_equal_width_and_the_last_one_holds_1() -> None:
    assert find_bins(np.array([0.0, 0.05, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, BINS - 1, BINS - 1]


def test_a_model_that_is_off_by_a_tenth_has_that_error() -> None:
    p = RNG.uniform(0.2, 0.8, 4000)
    truth = (RNG.random(4000) < p - 0.1).astype(float)
    found = estimate_ece(p, truth, np.full(4000, 10.0), np.ones(4000, bool))
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.low < 0.1 < found.high < 0.15


def test_noise_is_not_taken_for_an_error() -> None:
    """The plain sum of gaps of 60 cases of a perfect model is about .1."""
    p = RNG.uniform(0, 1, (200, 60))
    truth = (RNG.random((200, 60)) < p).astype(float)
    found = estimate_ece(p, truth, np.full((200, 60), 30.0), np.ones((200, 60), bool))
    assert np.median(found.value) < 0.04
    assert (found.low < 0.02).mean() > 0.9


def test_traffic_that_was_drawn_whole_has_the_error_that_is_seen() -> None:
    p, truth = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 1.0])
    found = estimate_ece(p, truth, np.ones(4), np.ones(4, bool))
    assert [found.low, found.value, found.high] == pytest.approx([0.25] * 3, abs=0.002)


def test_reliability_names_the_bins_that_have_cases() -> None:
    p, truth = np.array([0.15, 0.15, 0.95]), np.array([0.0, 1.0, 1.0])
    rows = estimate_reliability(p, truth, np.array([10.0, 30.0, 10.0]), np.ones(3, bool))
    assert [number for number, _, _ in rows] == [1, 9]
    _, predicted, observed = rows[0]
    assert predicted[0] == pytest.approx(0.15)
    assert observed[0] == pytest.approx(0.75)
    assert 0 <= observed[1] < observed[0] < observed[2] <= 1
