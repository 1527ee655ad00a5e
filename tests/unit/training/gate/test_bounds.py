import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from training.common import resampling
from training.gate import bounds
from training.gate.bounds import measure_difference, measure_share, measure_statistic

Z2 = 1.6448536**2


def mark_pairs(both: int, gained: int, lost: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    ours = np.repeat([1.0, 1.0, 0.0, 0.0], [both, gained, lost, neither])
    theirs = np.repeat([1.0, 0.0, 1.0, 0.0], [both, gained, lost, neither])
    return ours, theirs


def test_models_that_agree_everywhere_are_not_known_to_be_equal() -> None:
    """With z the normal quantile, the bound over n images without any difference is z^2 / (n + z^2)."""
    low, high = measure_difference(*mark_pairs(300, 0, 0, 100)).bounds
    assert (low, high) == (pytest.approx(-Z2 / (400 + Z2), abs=1e-6), pytest.approx(Z2 / (400 + Z2), abs=1e-6))


def score(gained: int, lost: int, images: int, difference: float) -> float:
    """Return the score statistic with the nuisance share found by maximum likelihood, by search."""

    def surprise(share: float) -> float:
        rest = 1 - 2 * share - difference
        return -(gained * np.log(share + difference) + lost * np.log(share) + (images - gained - lost) * np.log(rest))

    edge = 1e-9
    span = (max(0.0, -difference) + edge, (1 - difference) / 2 - edge)
    share = minimize_scalar(surprise, bounds=span, method="bounded", options={"xatol": 1e-10}).x
    variance = 2 * share + difference - difference**2
    return float((gained - lost - images * difference) / np.sqrt(images * variance))


@pytest.mark.parametrize(("gained", "lost", "images"), [(14, 9, 283), (3, 20, 100), (12, 1, 60)])
def test_at_the_bounds_the_score_test_is_at_its_level(gained: int, lost: int, images: int) -> None:
    low, high = bounds.bound_paired_difference(gained / images, lost / images, images)
    assert score(gained, lost, images, low) == pytest.approx(np.sqrt(Z2), abs=1e-3)
    assert score(gained, lost, images, high) == pytest.approx(-np.sqrt(Z2), abs=1e-3)


def test_the_bounds_turn_around_with_the_sides() -> None:
    ours, theirs = mark_pairs(200, 14, 9, 60)
    low, high = measure_difference(ours, theirs).bounds
    assert measure_difference(theirs, ours).bounds == (pytest.approx(-high, abs=1e-9), pytest.approx(-low, abs=1e-9))


@pytest.mark.parametrize(("gained", "lost"), [(0.04, 0.04), (0.02, 0.03), (0.01, 0.0)])
def test_the_lower_bound_holds_in_nineteen_of_twenty_samples(gained: float, lost: float) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(400, [gained, lost, 1 - gained - lost], size=400)
    lows = [bounds.bound_paired_difference(g / 400, n / 400, 400)[0] for g, n, _ in drawn]
    assert 0.92 <= np.mean(np.array(lows) <= gained - lost) <= 1.0


def test_all_or_nothing_has_bounds() -> None:
    low, high = measure_difference(*mark_pairs(0, 30, 0, 0)).bounds
    assert 0.8 < low < 1.0 == high
    low, high = measure_difference(*mark_pairs(0, 0, 30, 0)).bounds
    assert low == -1.0 < high < -0.8


def test_images_are_missing_where_as_many_more_would_do() -> None:
    measured = measure_difference(*mark_pairs(300, 0, 0, 100))
    assert measured.count_missing(lambda found: found[0] > -0.005) == pytest.approx(Z2 / 0.005 - Z2 - 400, abs=1)
    assert measured.count_missing(lambda found: found[0] > -0.02) == 0, "there are enough"
    worse = measure_difference(*mark_pairs(300, 0, 10, 90))
    assert worse.count_missing(lambda found: found[0] > -0.005) == 0, "no number of images makes it better"


def test_a_share_has_exact_bounds() -> None:
    low, high = measure_share(np.repeat([1.0, 0.0], [3, 97])).bounds
    exact = binomtest(3, 100).proportion_ci(0.9)
    assert (low, high) == (pytest.approx(exact.low), pytest.approx(exact.high))


def test_none_of_few_is_no_proof() -> None:
    none = measure_share(np.zeros(500))
    assert none.bounds == (0.0, pytest.approx(1 - 0.05 ** (1 / 500)))
    assert none.count_missing(lambda found: found[1] <= 0.002) == pytest.approx(1497 - 500, abs=1)
    assert measure_share(np.ones(4)).bounds[1] == 1.0


def test_a_statistic_has_bootstrap_bounds_that_shrink_with_the_root_of_the_images() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, 400)
    measured = measure_statistic(resampling.build_mean(values), 400)
    assert measured is not None
    low, high = measured.bounds
    assert (low, high) == (
        pytest.approx(values.mean() - 0.082, abs=0.01),
        pytest.approx(values.mean() + 0.082, abs=0.01),
    )
    narrow_low, _ = measured.bound_at(1600)
    assert measured.value - narrow_low == pytest.approx((measured.value - low) / 2)


def test_a_statistic_without_images_is_none() -> None:
    assert measure_statistic(resampling.build_mean(np.zeros(3), among=np.zeros(3)), 3) is None
