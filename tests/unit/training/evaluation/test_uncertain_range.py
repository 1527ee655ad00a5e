import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from pipeline.verdict import Verdict
from training.common.resampling import Floats
from training.evaluation import calibration_metrics, uncertain_range
from training.evaluation.calibration_metrics import ScoredPredictions

CALIBRATIONS, IMAGES, RISK = 60, 2000, 0.02
NEEDED_WITHOUT_ERRORS = 114
"""0.98 ** 114 is the first power below 1 - 0.9"""


def build_scored(
    p: Floats,
    generated: Floats,
    *,
    threshold: float = 0.5,
    prevalence: float | None = None,
    image_weights: Floats | None = None,
) -> ScoredPredictions:
    called = p >= threshold
    return ScoredPredictions(
        p=p,
        generated=generated,
        right=(called == generated).astype(float),
        confidence=np.where(called, p, 1 - p),
        shares=calibration_metrics.compute_class_weights(generated, prevalence),
        image_weights=np.ones_like(generated) if image_weights is None else image_weights,
    )


def score(*answers: tuple[float, bool]) -> ScoredPredictions:
    """Of (P(generated), whether the verdict is right)."""
    p, right = (np.array(column, float) for column in zip(*answers, strict=True))
    return build_scored(p, (p >= 0.5) == right)


def spread(start: float, count: int) -> list[tuple[float, bool]]:
    return [(start + 0.0001 * number, True) for number in range(count)]


def find(scored: ScoredPredictions, *, threshold: float = 0.5, risk: float = RISK) -> tuple[float, float] | None:
    return uncertain_range.find_uncertain_range(scored, threshold=threshold, risk=risk)


def test_the_range_begins_where_too_many_may_be_wrong() -> None:
    sure = [*spread(0.01, NEEDED_WITHOUT_ERRORS), *spread(0.9, NEEDED_WITHOUT_ERRORS)]
    doubtful = [(0.3, False), (0.4, True), (0.7, False), (0.6, True)]
    assert find(score(*sure, *doubtful)) == pytest.approx(((0.0213 + 0.3) / 2, (0.7 + 0.9) / 2), abs=1e-5)
    assert find(score(*sure[1:], *doubtful)) == (0.0, pytest.approx(0.8))
    assert find(score(*sure, *doubtful), risk=0.5) is None


@pytest.mark.parametrize(("wrong", "right"), [(0, 113), (0, 114), (1, 193), (1, 192), (7, 600), (7, 580)])
def test_the_bound_is_clopper_s_and_pearson_s(wrong: int, right: int) -> None:
    answers = [(0.1, True)] * right + [(0.1, False)] * wrong + spread(0.9, 500)
    interval = binomtest(wrong, wrong + right, alternative="less").proportion_ci(0.9, method="exact")
    kept = find(score(*answers)) is None
    assert kept is (interval.high <= RISK)


def test_a_side_that_cannot_keep_the_promise_is_uncertain_to_its_end() -> None:
    few = [(0.1, True)] * 10 + [(0.9, True)] * 200
    assert find(score(*few)) == (0.0, 0.5)
    assert find(score(*few[:10])) == (0.0, 1.0)


def test_equal_probabilities_are_certain_together_or_not_at_all() -> None:
    tied = [(0.1, True)] * 200 + [(0.2, True), (0.2, False)] * 20 + [(0.9, True)] * 200
    assert find(score(*tied)) == pytest.approx((0.15, 0.5))


def test_a_rare_class_makes_the_promise_harder() -> None:
    p, generated = np.array([0.1, 0.9] * 200), np.array([0.0, 1.0] * 200)
    even, rare = (find(build_scored(p, generated, prevalence=prevalence)) for prevalence in (None, 0.01))
    assert even is None
    assert rare == (0.5, 1.0)


def test_the_range_is_around_the_threshold() -> None:
    p = np.array([0.1] * 200 + [0.6] * 200 + [0.9] * 200)
    generated = np.array([0.0] * 400 + [1.0] * 200)
    assert find(build_scored(p, generated, threshold=0.8), threshold=0.8) is None
    assert find(build_scored(p, generated)) == (0.5, pytest.approx(0.75))


@pytest.mark.parametrize("prevalence", [None, 0.2])
def test_the_promise_is_broken_in_a_tenth_of_the_calibrations_at_most(prevalence: float | None) -> None:
    """One wrong verdict more than was seen, instead of a bound, breaks it in four of ten."""
    rng = np.random.default_rng(16)
    traffic = build_traffic(rng, 50_000, prevalence)
    broken = 0
    for _ in range(CALIBRATIONS):
        low, high = find(build_traffic(rng, IMAGES, prevalence)) or (0.5, 0.5)
        for outside in (traffic.p < low, traffic.p > high):
            shares = traffic.shares[outside]
            broken += bool(outside.any() and shares @ (1 - traffic.right[outside]) > RISK * shares.sum())
    assert broken <= 0.11 * 2 * CALIBRATIONS


def build_traffic(rng: np.random.Generator, images: int, prevalence: float | None) -> ScoredPredictions:
    """Draw images whose odds are right for `prevalence`, half of them generated as in a validation set."""
    log_odds = rng.normal(0, 4, images)
    generated = (rng.random(images) < expit(log_odds)).astype(float)
    shift = np.log(prevalence / (1 - prevalence)) if prevalence else 0.0
    return build_scored(expit(log_odds + shift), generated, prevalence=prevalence)


def test_what_is_missing_is_counted_in_images_like_these() -> None:
    few = score(*spread(0.01, 40), *spread(0.9, NEEDED_WITHOUT_ERRORS))
    assert uncertain_range.count_images_needed(few, threshold=0.5, risk=RISK) == {Verdict.REAL: 3 * 154}
    enough = score(*spread(0.01, 3 * 40), *spread(0.9, 3 * NEEDED_WITHOUT_ERRORS))
    assert uncertain_range.count_images_needed(enough, threshold=0.5, risk=RISK) == {}


def test_where_the_surest_are_wrong_more_images_do_not_help() -> None:
    hopeless = score((0.01, False), *[(0.02, True), (0.03, False)] * 20, *spread(0.9, 200))
    assert uncertain_range.count_images_needed(hopeless, threshold=0.5, risk=RISK) == {Verdict.REAL: None}


def test_images_of_unequal_weight_count_as_their_effective_number() -> None:
    p, labels = np.linspace(0.9, 0.99, 400), np.ones(400)
    equal = build_scored(p, labels, image_weights=np.full(400, 2.0))
    assert find(equal) == find(build_scored(p, labels)) is not None
    uneven = build_scored(p, labels, image_weights=np.where(np.arange(400) % 8, 0.1, 7.3))
    assert find(uneven) == (0.0, 1.0), "they tell as much as 54 images, and 114 without an error are needed"


def test_an_error_counts_by_what_its_image_stands_for() -> None:
    p, labels = np.linspace(0.9, 0.99, 2000), np.ones(2000)
    labels[-40:] = 0  # 2 % of the images, outermost
    light = build_scored(p, labels, image_weights=np.where(labels == 1, 1.0, 0.01))
    edge = find(light)
    assert find(build_scored(p, labels)) == (0.0, 1.0)
    assert edge is not None
    assert edge[1] < 0.95
