import math

import numpy as np
import pytest

from training.common import resampling
from training.common.resampling import Metric


def test_the_interval_of_a_share_has_the_width_of_a_binomial() -> None:
    values = np.array([1.0, 0.0] * 200)
    figure = resampling.estimate_mean(values)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 0.5 < figure.high
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 400), rel=0.1)
    assert resampling.estimate_mean(values) == figure


def test_weights_say_what_copies_of_the_images_would() -> None:
    rng = np.random.default_rng(resampling.SEED)
    values = np.random.default_rng(5).normal(size=37)
    copies = [values[rng.integers(0, 37, 37)].mean() for _ in range(resampling.RESAMPLES)]
    figure = resampling.estimate_mean(values)
    assert (figure.low, figure.high) == pytest.approx(tuple(np.quantile(copies, [0.025, 0.975])))


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(50.0)
    whole = resampling.estimate_mean(values)
    monkeypatch.setattr(resampling, "BLOCK_WEIGHTS", 333)
    assert resampling.estimate_mean(values) == whole


def test_a_difference_is_paired() -> None:
    one = np.random.default_rng(1).normal(size=100)
    other = one - 0.25
    drop = resampling.subtract_paired(resampling.build_mean(one), resampling.build_mean(other))
    figure = resampling.estimate_metric(drop, images=100)
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.25, 0.25, 0.25))


def test_a_mean_among_some_is_over_them_alone() -> None:
    figure = resampling.estimate_mean(np.array([1.0, 0.0, 1.0, 0.0]), among=np.array([1.0, 0.0, 1.0, 0.0]))
    assert figure == Metric(1.0, 1.0, 1.0, 2)


@pytest.mark.parametrize("count", [0, 3])
def test_nobody_qualifies(count: int) -> None:
    figure = resampling.estimate_mean(np.ones(count), among=np.zeros(count))
    assert figure == Metric(None, None, None, 0)
    assert str(figure) == "none to judge"
    assert resampling.convert_to_json({"c_acc": figure}) == {
        "c_acc": {"value": None, "low": None, "high": None, "n": 0}
    }


def test_a_figure_without_an_interval_is_its_value() -> None:
    assert str(Metric(0.5, None, None, 4)) == "0.500"
    assert resampling.convert_to_json({"a": Metric(0.51239, None, None, 4)}) == {
        "a": {"value": 0.5124, "low": None, "high": None, "n": 4}
    }


def test_a_difference_over_images_of_their_own_has_the_spread_of_both() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(1, 1, 300), rng.normal(0, 2, 200)
    drop = resampling.subtract_unpaired(resampling.build_mean(one), resampling.build_mean(other), first=300)
    figure = resampling.estimate_metric(drop, images=500)
    assert figure.value == pytest.approx(one.mean() - other.mean())
    assert figure.low is not None
    assert figure.high is not None
    expected = 2 * 1.96 * math.sqrt(one.var() / 300 + other.var() / 200)
    assert figure.high - figure.low == pytest.approx(expected, rel=0.1)


def test_weights_that_are_all_one_change_no_digit() -> None:
    values = np.random.default_rng(3).normal(size=60)
    assert resampling.estimate_mean(values, image_weights=np.ones(60)) == resampling.estimate_mean(values)


def test_the_interval_of_a_weighted_share_is_that_of_the_effective_size() -> None:
    rng = np.random.default_rng(4)
    weights = np.where(rng.random(2000) < 0.1, 20.0, 1.0)
    metric = resampling.estimate_mean((rng.random(2000) < 0.5).astype(float), image_weights=weights)
    size = resampling.compute_effective_size(weights)
    assert 300 < size < 600
    assert metric.low is not None
    assert metric.high is not None
    assert metric.high - metric.low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / size), rel=0.1)


def test_the_effective_size_of_equal_weights_is_their_number() -> None:
    assert resampling.compute_effective_size(np.full(50, 3.0)) == pytest.approx(50)
    assert resampling.compute_effective_size(np.array([1.0, 0.0, 0.0])) == 1
    assert resampling.compute_effective_size(np.zeros(3)) == 0
