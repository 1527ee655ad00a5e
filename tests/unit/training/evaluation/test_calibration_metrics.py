import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

from pipeline.verdict import Verdict
from training.common.resampling import Floats, Statistic
from training.evaluation import calibration_metrics
from training.evaluation.calibration_metrics import ScoredPredictions
from training.evaluation.metrics import Prediction

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED


def make_prediction(
    label: Verdict, p: float | None, *, uncertain: bool = False, verdict: Verdict | None = None
) -> Prediction:
    checked = None if p is None else verdict or (GENERATED if p > 0.5 else REAL)
    return Prediction(label, checked, checked, (), (), p, p, uncertain)


# By hand: the verdicts are right but for .6 and .4; the order by P(generated) is R .1, R .2, G .4, R .6, G .8, G .9.
SIX = [
    make_prediction(REAL, 0.1),
    make_prediction(GENERATED, 0.4),
    make_prediction(REAL, 0.2),
    make_prediction(GENERATED, 0.9),
    make_prediction(REAL, 0.6),
    make_prediction(GENERATED, 0.8),
]


def value(statistic: Statistic, weights: Floats | None = None, *, count: int = 6) -> float:
    return float(statistic(np.ones((1, count)) if weights is None else weights[None])[0])


def random_set(seed: int, *, levels: int | None = None, count: int = 211) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    labels = [GENERATED if generated else REAL for generated in rng.random(count) < 0.4]
    scores = [float(rng.normal(1.2 if label is GENERATED else -0.8, 1.5)) for label in labels]
    p = [1 / (1 + math.exp(-score)) for score in scores]
    return [
        make_prediction(label, round(q * levels) / levels if levels else q) for label, q in zip(labels, p, strict=True)
    ]


def test_six_images_by_hand() -> None:
    scored = ScoredPredictions.build(SIX)
    assert value(calibration_metrics.build_brier(scored)) == pytest.approx(
        (0.01 + 0.04 + 0.36 + 0.36 + 0.04 + 0.01) / 6
    )
    by_hand = -(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.4) + math.log(0.8) + math.log(0.9)) / 6
    assert value(calibration_metrics.build_nll(scored)) == pytest.approx(by_hand)
    assert value(calibration_metrics.build_auroc(scored)) == pytest.approx(8 / 9)
    assert value(calibration_metrics.build_ece(scored, bins=3)) == pytest.approx((0.15 + 0 + 0.15) / 3)
    assert value(calibration_metrics.build_ece(scored, bins=6)) == pytest.approx(
        (0.1 + 0.2 + 0.6 + 0.6 + 0.2 + 0.1) / 6
    )
    assert value(calibration_metrics.build_ece(scored, bins=4)) == pytest.approx(
        (0.2 + 0.5 + 0.5 + 0.2) / 6
    )  # halves of two images
    assert value(calibration_metrics.build_tpr_at_fpr(scored, 0.01)) == pytest.approx(2 / 3)
    assert value(calibration_metrics.build_tpr_at_fpr(scored, 0.34)) == pytest.approx(1.0)
    # Surest first: .9 and .1, .8 and .2, then .6 and .4, which are wrong.
    assert value(calibration_metrics.build_coverage(scored, 0.01)) == pytest.approx(4 / 6)
    assert value(calibration_metrics.build_coverage(scored, 0.34)) == pytest.approx(1.0)


@pytest.mark.parametrize(("seed", "levels"), [(1, None), (2, None), (3, 10), (4, 3)])
def test_ranking_and_coverage_are_what_brute_force_says(seed: int, levels: int | None) -> None:
    predictions = random_set(seed, levels=levels)
    scored, count = ScoredPredictions.build(predictions), len(predictions)
    found = [prediction.p_generated or 0.0 for prediction in predictions if prediction.label is GENERATED]
    spared = [prediction.p_generated or 0.0 for prediction in predictions if prediction.label is REAL]
    pairs = [1.0 if g > r else 0.5 if g == r else 0.0 for g in found for r in spared]
    assert value(calibration_metrics.build_auroc(scored), count=count) == pytest.approx(np.mean(pairs))
    passing = [
        np.mean(np.array(found) >= threshold)
        for threshold in [*found, *spared, 2.0]
        if np.mean(np.array(spared) >= threshold) <= 0.05
    ]
    assert value(calibration_metrics.build_tpr_at_fpr(scored, 0.05), count=count) == pytest.approx(max(passing))
    covered = [
        np.mean(scored.confidence >= least)
        for least in scored.confidence
        if (scored.right[scored.confidence >= least] == 0).sum() <= 0.05 * (scored.confidence >= least).sum()
    ]
    assert value(calibration_metrics.build_coverage(scored, 0.05), count=count) == pytest.approx(
        max(covered, default=0.0)
    )


@pytest.mark.parametrize("prevalence", [None, 0.1])
@pytest.mark.parametrize(("seed", "levels"), [(21, None), (22, 10), (23, 3)])
def test_they_are_scikit_learn_s(seed: int, levels: int | None, prevalence: float | None) -> None:
    predictions = random_set(seed, levels=levels)
    scored, count = ScoredPredictions.build(predictions, prevalence=prevalence), len(predictions)
    weighted = {"y_true": scored.generated, "sample_weight": scored.shares}
    clipped = np.clip(scored.p, calibration_metrics.IMPOSSIBLE, 1 - calibration_metrics.IMPOSSIBLE)
    assert value(calibration_metrics.build_auroc(scored), count=count) == pytest.approx(
        roc_auc_score(y_score=scored.p, **weighted)
    )
    assert value(calibration_metrics.build_brier(scored), count=count) == pytest.approx(
        brier_score_loss(y_proba=scored.p, **weighted)
    )
    assert value(calibration_metrics.build_nll(scored), count=count) == pytest.approx(
        log_loss(y_proba=clipped, **weighted)
    )
    fpr, tpr, _ = roc_curve(y_score=scored.p, drop_intermediate=False, **weighted)
    for most in (0.01, 0.05, 0.2):
        assert value(calibration_metrics.build_tpr_at_fpr(scored, most), count=count) == pytest.approx(
            tpr[fpr <= most].max()
        )


def test_the_calibration_error_is_what_equal_bins_say() -> None:
    predictions = random_set(7, count=15 * 12)
    scored = ScoredPredictions.build(predictions)
    ranked = sorted((prediction.p_generated or 0.0, float(prediction.label is GENERATED)) for prediction in predictions)
    bins = np.array(ranked).reshape(15, 12, 2).mean(1)
    assert value(calibration_metrics.build_ece(scored), count=180) == pytest.approx(
        np.abs(bins[:, 0] - bins[:, 1]).mean()
    )


@pytest.mark.parametrize("levels", [None, 5])
def test_no_figure_depends_on_the_order_of_the_images(levels: int | None) -> None:
    predictions = random_set(11, levels=levels)
    shuffled = [predictions[i] for i in np.random.default_rng(0).permutation(len(predictions))]
    first, second = (calibration_metrics.compute_calibration_metrics(some) for some in (predictions, shuffled))
    assert [metric.value for metric in first.values()] == pytest.approx([metric.value for metric in second.values()])


@pytest.mark.parametrize("levels", [None, 4])
def test_a_weight_is_a_number_of_copies(levels: int | None) -> None:
    predictions = random_set(13, levels=levels, count=60)
    weights = np.random.default_rng(3).integers(0, 4, 60).astype(float)
    copies = [prediction for prediction, times in zip(predictions, weights, strict=True) for _ in range(int(times))]
    few, many = ScoredPredictions.build(predictions), ScoredPredictions.build(copies)
    for make in (
        calibration_metrics.build_ece,
        calibration_metrics.build_brier,
        calibration_metrics.build_nll,
        calibration_metrics.build_auroc,
    ):
        assert value(make(few), weights) == pytest.approx(value(make(many), count=len(copies)))
    for bound in (0.01, 0.1):
        for limit in (calibration_metrics.build_coverage, calibration_metrics.build_tpr_at_fpr):
            assert value(limit(few, bound), weights) == pytest.approx(value(limit(many, bound), count=len(copies)))


def test_a_prevalence_weighs_the_classes() -> None:
    predictions = random_set(17, count=120)
    scored = ScoredPredictions.build(predictions, prevalence=0.1)
    assert scored.shares.mean() == pytest.approx(1.0)
    assert scored.shares @ scored.generated / scored.shares.sum() == pytest.approx(0.1)
    squares = (scored.p - scored.generated) ** 2
    by_hand = 0.1 * squares[scored.generated == 1].mean() + 0.9 * squares[scored.generated == 0].mean()
    assert value(calibration_metrics.build_brier(scored), count=120) == pytest.approx(by_hand)
    six = ScoredPredictions.build(SIX, prevalence=0.25)  # each real image counts 3/2, each generated one 1/2
    assert value(calibration_metrics.build_coverage(six, 0.01)) == pytest.approx((2 * 3 / 2 + 2 / 2) / 6)
    own = ScoredPredictions.build(predictions)
    assert value(calibration_metrics.build_auroc(scored), count=120) == value(
        calibration_metrics.build_auroc(own), count=120
    )


def test_an_unreadable_answer_is_a_coin_and_wrong() -> None:
    scored = ScoredPredictions.build(
        [make_prediction(GENERATED, None), make_prediction(REAL, 0.01), make_prediction(REAL, 0.02)]
    )
    assert scored.p[0] == 0.5
    assert (scored.right[0], scored.confidence[0]) == (0.0, 0.0)
    assert value(calibration_metrics.build_coverage(scored, 0.01), count=3) == pytest.approx(2 / 3)


def test_an_image_that_query_1_decides_counts_with_its_probability() -> None:
    degraded = replace(make_prediction(GENERATED, 0.9), check_verdict=None)
    scored = ScoredPredictions.build([degraded, *SIX])
    assert (scored.p[0], scored.right[0], scored.confidence[0]) == (0.9, 1.0, 0.9)


def test_the_published_verdict_counts_where_a_bias_moved_the_probability_over_the_threshold() -> None:
    overruled = [
        replace(make_prediction(label, p, verdict=verdict), overruled=True)
        for label, p, verdict in ((REAL, 0.3, GENERATED), (GENERATED, 0.4, GENERATED), (GENERATED, 0.9, REAL))
    ]
    scored = ScoredPredictions.build(overruled)
    assert scored.confidence == pytest.approx([0.7, 0.6, 0.9])
    assert scored.right.tolist() == [1.0, 0.0, 1.0]


def test_among_the_certain_accuracy_is_their_own() -> None:
    predictions = [
        make_prediction(REAL, 0.1),
        make_prediction(REAL, 0.6, uncertain=True),
        make_prediction(GENERATED, 0.9),
        make_prediction(GENERATED, None),
    ]
    computed = calibration_metrics.compute_calibration_metrics(predictions)
    assert computed["uncertain"].value == pytest.approx(1 / 4)
    assert (computed["acc_certain"].value, computed["acc_certain"].n) == (pytest.approx(2 / 3), 3)


def test_one_class_alone_has_no_ranking() -> None:
    computed = calibration_metrics.compute_calibration_metrics([make_prediction(REAL, 0.1), make_prediction(REAL, 0.7)])
    assert computed["auroc"].value is None
    assert computed["tpr_at_1_fpr"].value is None
    assert computed["brier"].value == pytest.approx((0.01 + 0.49) / 2)


def test_certainty_that_was_wrong_costs_much_and_not_without_end() -> None:
    scored = ScoredPredictions.build([make_prediction(REAL, 1.0)])
    assert value(calibration_metrics.build_nll(scored), count=1) == pytest.approx(-math.log(1e-9))


def test_an_image_of_weight_three_counts_as_three_images() -> None:
    weights = (3, 1, 2, 1, 3, 2)
    weighted = [replace(prediction, weight=float(weight)) for prediction, weight in zip(SIX, weights, strict=True)]
    copied = [prediction for prediction, weight in zip(SIX, weights, strict=True) for _ in range(weight)]
    for prevalence in (None, 0.1):
        values, expected = (
            {
                name: metric.value
                for name, metric in calibration_metrics.compute_calibration_metrics(
                    group, prevalence=prevalence
                ).items()
                if name != "effective_images"
            }
            for group in (weighted, copied)
        )
        assert values == pytest.approx(expected)


def test_images_that_people_chose_alone_give_no_figure() -> None:
    chosen = [replace(prediction, weight=0.0) for prediction in SIX]
    computed = calibration_metrics.compute_calibration_metrics(chosen)
    assert computed.pop("effective_images").value == 0
    assert {metric.value for metric in computed.values()} == {None}
