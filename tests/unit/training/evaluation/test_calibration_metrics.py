import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

from pipeline.verdict import Verdict
from training.common.resampling import Floats, Statistic
from training.evaluation import calibration_metrics as told_metrics
from training.evaluation.calibration_metrics import Told
from training.evaluation.metrics import Prediction

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED


def judged(label: Verdict, p: float | None, *, uncertain: bool = False, verdict: Verdict | None = None) -> Prediction:
    said = None if p is None else verdict or (GENERATED if p > 0.5 else REAL)
    return Prediction(label, REAL, said, (), (), p, p, uncertain)


# By hand: the verdicts are right but for .6 and .4; the order by P(generated) is R .1, R .2, G .4, R .6, G .8, G .9.
SIX = [
    judged(REAL, 0.1),
    judged(GENERATED, 0.4),
    judged(REAL, 0.2),
    judged(GENERATED, 0.9),
    judged(REAL, 0.6),
    judged(GENERATED, 0.8),
]


def value(statistic: Statistic, weights: Floats | None = None, *, count: int = 6) -> float:
    return float(statistic(np.ones((1, count)) if weights is None else weights[None])[0])


def random_set(seed: int, *, levels: int | None = None, count: int = 211) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    labels = [GENERATED if generated else REAL for generated in rng.random(count) < 0.4]
    scores = [float(rng.normal(1.2 if label is GENERATED else -0.8, 1.5)) for label in labels]
    p = [1 / (1 + math.exp(-score)) for score in scores]
    return [judged(label, round(q * levels) / levels if levels else q) for label, q in zip(labels, p, strict=True)]


def test_six_images_by_hand() -> None:
    told = Told.by(SIX)
    assert value(told_metrics.brier(told)) == pytest.approx((0.01 + 0.04 + 0.36 + 0.36 + 0.04 + 0.01) / 6)
    by_hand = -(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.4) + math.log(0.8) + math.log(0.9)) / 6
    assert value(told_metrics.nll(told)) == pytest.approx(by_hand)
    assert value(told_metrics.auroc(told)) == pytest.approx(8 / 9)
    assert value(told_metrics.ece(told, bins=3)) == pytest.approx((0.15 + 0 + 0.15) / 3)
    assert value(told_metrics.ece(told, bins=6)) == pytest.approx((0.1 + 0.2 + 0.6 + 0.6 + 0.2 + 0.1) / 6)
    assert value(told_metrics.ece(told, bins=4)) == pytest.approx((0.2 + 0.5 + 0.5 + 0.2) / 6)  # halves of two images
    assert value(told_metrics.tpr_at_fpr(told, 0.01)) == pytest.approx(2 / 3)
    assert value(told_metrics.tpr_at_fpr(told, 0.34)) == pytest.approx(1.0)
    # Surest first: .9 and .1, .8 and .2, then .6 and .4, which are wrong.
    assert value(told_metrics.coverage(told, 0.01)) == pytest.approx(4 / 6)
    assert value(told_metrics.coverage(told, 0.34)) == pytest.approx(1.0)


@pytest.mark.parametrize(("seed", "levels"), [(1, None), (2, None), (3, 10), (4, 3)])
def test_ranking_and_coverage_are_what_brute_force_says(seed: int, levels: int | None) -> None:
    judged_ones = random_set(seed, levels=levels)
    told, count = Told.by(judged_ones), len(judged_ones)
    found = [one.p_generated or 0.0 for one in judged_ones if one.label is GENERATED]
    spared = [one.p_generated or 0.0 for one in judged_ones if one.label is REAL]
    pairs = [1.0 if g > r else 0.5 if g == r else 0.0 for g in found for r in spared]
    assert value(told_metrics.auroc(told), count=count) == pytest.approx(np.mean(pairs))
    passing = [
        np.mean(np.array(found) >= threshold)
        for threshold in [*found, *spared, 2.0]
        if np.mean(np.array(spared) >= threshold) <= 0.05
    ]
    assert value(told_metrics.tpr_at_fpr(told, 0.05), count=count) == pytest.approx(max(passing))
    covered = [
        np.mean(told.confidence >= least)
        for least in told.confidence
        if (told.right[told.confidence >= least] == 0).sum() <= 0.05 * (told.confidence >= least).sum()
    ]
    assert value(told_metrics.coverage(told, 0.05), count=count) == pytest.approx(max(covered, default=0.0))


@pytest.mark.parametrize("prevalence", [None, 0.1])
@pytest.mark.parametrize(("seed", "levels"), [(21, None), (22, 10), (23, 3)])
def test_they_are_scikit_learn_s(seed: int, levels: int | None, prevalence: float | None) -> None:
    ones = random_set(seed, levels=levels)
    told, count = Told.by(ones, prevalence=prevalence), len(ones)
    said = {"y_true": told.generated, "sample_weight": told.shares}
    given = np.clip(told.p, told_metrics.IMPOSSIBLE, 1 - told_metrics.IMPOSSIBLE)
    assert value(told_metrics.auroc(told), count=count) == pytest.approx(roc_auc_score(y_score=told.p, **said))
    assert value(told_metrics.brier(told), count=count) == pytest.approx(brier_score_loss(y_proba=told.p, **said))
    assert value(told_metrics.nll(told), count=count) == pytest.approx(log_loss(y_proba=given, **said))
    fpr, tpr, _ = roc_curve(y_score=told.p, drop_intermediate=False, **said)
    for most in (0.01, 0.05, 0.2):
        assert value(told_metrics.tpr_at_fpr(told, most), count=count) == pytest.approx(tpr[fpr <= most].max())


def test_the_calibration_error_is_what_equal_bins_say() -> None:
    ones = random_set(7, count=15 * 12)
    told = Told.by(ones)
    ranked = sorted((one.p_generated or 0.0, float(one.label is GENERATED)) for one in ones)
    bins = np.array(ranked).reshape(15, 12, 2).mean(1)
    assert value(told_metrics.ece(told), count=180) == pytest.approx(np.abs(bins[:, 0] - bins[:, 1]).mean())


@pytest.mark.parametrize("levels", [None, 5])
def test_no_figure_depends_on_the_order_of_the_images(levels: int | None) -> None:
    ones = random_set(11, levels=levels)
    shuffled = [ones[i] for i in np.random.default_rng(0).permutation(len(ones))]
    one, other = (told_metrics.figures(some) for some in (ones, shuffled))
    assert [figure.value for figure in one.values()] == pytest.approx([figure.value for figure in other.values()])


@pytest.mark.parametrize("levels", [None, 4])
def test_a_weight_is_a_number_of_copies(levels: int | None) -> None:
    ones = random_set(13, levels=levels, count=60)
    weights = np.random.default_rng(3).integers(0, 4, 60).astype(float)
    copies = [one for one, times in zip(ones, weights, strict=True) for _ in range(int(times))]
    few, many = Told.by(ones), Told.by(copies)
    for make in (told_metrics.ece, told_metrics.brier, told_metrics.nll, told_metrics.auroc):
        assert value(make(few), weights) == pytest.approx(value(make(many), count=len(copies)))
    for bound in (0.01, 0.1):
        for limit in (told_metrics.coverage, told_metrics.tpr_at_fpr):
            assert value(limit(few, bound), weights) == pytest.approx(value(limit(many, bound), count=len(copies)))


def test_a_prevalence_weighs_the_classes() -> None:
    ones = random_set(17, count=120)
    told = Told.by(ones, prevalence=0.1)
    assert told.shares.mean() == pytest.approx(1.0)
    assert told.shares @ told.generated / told.shares.sum() == pytest.approx(0.1)
    squares = (told.p - told.generated) ** 2
    by_hand = 0.1 * squares[told.generated == 1].mean() + 0.9 * squares[told.generated == 0].mean()
    assert value(told_metrics.brier(told), count=120) == pytest.approx(by_hand)
    six = Told.by(SIX, prevalence=0.25)  # each real image counts 3/2, each generated one 1/2
    assert value(told_metrics.coverage(six, 0.01)) == pytest.approx((2 * 3 / 2 + 2 / 2) / 6)
    own = Told.by(ones)
    assert value(told_metrics.auroc(told), count=120) == value(told_metrics.auroc(own), count=120)


def test_an_unreadable_answer_is_a_coin_and_wrong() -> None:
    told = Told.by([judged(GENERATED, None), judged(REAL, 0.01), judged(REAL, 0.02)])
    assert told.p[0] == 0.5
    assert (told.right[0], told.confidence[0]) == (0.0, 0.0)
    assert value(told_metrics.coverage(told, 0.01), count=3) == pytest.approx(2 / 3)


def test_the_verdict_s_own_probability_ranks_it_where_a_bias_moved_it_over_the_middle() -> None:
    told = Told.by([judged(REAL, 0.7, verdict=REAL), judged(GENERATED, 0.3, verdict=GENERATED)])
    assert told.confidence == pytest.approx([0.3, 0.3])
    assert told.right.tolist() == [1.0, 1.0]


def test_among_the_certain_accuracy_is_their_own() -> None:
    ones = [judged(REAL, 0.1), judged(REAL, 0.6, uncertain=True), judged(GENERATED, 0.9), judged(GENERATED, None)]
    shown = told_metrics.figures(ones)
    assert shown["uncertain"].value == pytest.approx(1 / 4)
    assert (shown["acc_certain"].value, shown["acc_certain"].n) == (pytest.approx(2 / 3), 3)


def test_one_class_alone_has_no_ranking() -> None:
    shown = told_metrics.figures([judged(REAL, 0.1), judged(REAL, 0.7)])
    assert shown["auroc"].value is None
    assert shown["tpr_at_1_fpr"].value is None
    assert shown["brier"].value == pytest.approx((0.01 + 0.49) / 2)


def test_certainty_that_was_wrong_costs_much_and_not_without_end() -> None:
    told = Told.by([judged(REAL, 1.0)])
    assert value(told_metrics.nll(told), count=1) == pytest.approx(-math.log(1e-9))
