from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_score, recall_score
from torchvision.ops import box_iou

from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.verdict import BoundingBox, Verdict
from training.common.resampling import Metric
from training.evaluation import metrics
from training.evaluation.metrics import Prediction

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
SQUARE = BoundingBox(0, 0, 10, 10)
HALF = BoundingBox(0, 0, 10, 5)
AWAY = BoundingBox(50, 50, 60, 60)

FIVE = [
    Prediction(GENERATED, REAL, GENERATED, (SQUARE,), (SQUARE,)),  # corrected
    Prediction(GENERATED, GENERATED, GENERATED, (SQUARE, AWAY), (SQUARE,)),
    Prediction(REAL, REAL, GENERATED, (), (SQUARE,)),  # spoiled
    Prediction(REAL, REAL, REAL, (HALF,), (SQUARE, AWAY)),
    Prediction(REAL, REAL, None, (), ()),  # unreadable second answer
]


def test_the_paper_s_metrics_on_five_images() -> None:
    computed = metrics.compute_metrics(FIVE)
    assert computed["i_acc"].value == pytest.approx(4 / 5)
    assert computed["acc"].value == pytest.approx(3 / 5)
    assert computed["zoom_gain"].value == pytest.approx(-1 / 5)
    assert (computed["c_cases"].value, computed["c_cases"].n) == (pytest.approx(2 / 4), 4)  # the unreadable left out
    assert (computed["c_acc"].value, computed["c_acc"].n) == (pytest.approx(1 / 2), 2)
    assert computed["unparsed"].value == pytest.approx(1 / 5)
    assert computed["iou"].value == pytest.approx((1 + 1 / 2 + 0 + 1 / 2) / 4)
    assert computed["iou"].n == 4  # nothing to find and nothing named: left out
    assert computed["iou_recall"].value == pytest.approx((1 + 1 + 0 + 1 / 4) / 4)
    assert computed["iou_f1"].value == pytest.approx((1 + 2 / 3 + 0 + 1 / 3) / 4)
    assert (computed["tpr"].value, computed["tnr"].value) == (1.0, pytest.approx(1 / 3))
    assert computed["boxes"].value == pytest.approx(4 / 5)


def test_the_identity_of_corrections_holds_on_readable_answers() -> None:
    computed = metrics.compute_metrics(FIVE[:4])
    acc, i_acc, c_cases, c_acc = (computed[name].value or 0.0 for name in ("acc", "i_acc", "c_cases", "c_acc"))
    assert acc == pytest.approx(i_acc + c_cases * (2 * c_acc - 1))


def test_the_identity_is_checked_on_readable_answers_alone() -> None:
    gap = metrics.compute_metrics(FIVE)["identity_gap"]
    assert (gap.value, gap.n) == (pytest.approx(0.0, abs=1e-12), 4)
    unread = metrics.measure_identity_gap([Prediction(REAL, None, None, (), ())])
    assert unread == Metric(None, None, None, 0)
    rng = np.random.default_rng(4)
    many = [Prediction(*(list(Verdict)[i] for i in rng.integers(0, 2, 3)), (), ()) for _ in range(99)]
    assert metrics.measure_identity_gap(many).value == pytest.approx(0.0, abs=1e-12)


def test_an_unreadable_answer_is_wrong() -> None:
    assert metrics.measure_accuracy([Prediction(REAL, None, None, (), ())]).value == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_they_are_scikit_learn_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = [Prediction(*(list(Verdict)[i] for i in rng.integers(0, 2, 3)), (), ()) for _ in range(211)]
    truth, first, last = (
        [verdict is GENERATED for verdict in column]
        for column in zip(
            *((prediction.label, prediction.scan_verdict, prediction.check_verdict) for prediction in many), strict=True
        )
    )
    computed = metrics.compute_metrics(many, prevalence=float(np.mean(truth)))
    assert computed["acc"].value == pytest.approx(accuracy_score(truth, last))
    assert computed["i_acc"].value == pytest.approx(accuracy_score(truth, first))
    assert computed["balanced_acc"].value == pytest.approx(balanced_accuracy_score(truth, last))
    assert computed["tpr"].value == pytest.approx(recall_score(truth, last))
    assert computed["tnr"].value == pytest.approx(recall_score(truth, last, pos_label=False))
    assert computed["precision"].value == pytest.approx(precision_score(truth, last))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_overlaps_are_torchvision_s(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> list[BoundingBox]:
        corners = rng.integers(0, 60, (count, 2)), rng.integers(1, 60, (count, 2))
        return [BoundingBox(*map(int, (*start, *(start + side)))) for start, side in zip(*corners, strict=True)]

    named, annotated = boxes(5), boxes(4)
    pairs = box_iou(*(torch.tensor([box.corners for box in some]) for some in (named, annotated)))
    assert metrics.iou_of_regions(named, annotated) == pytest.approx(pairs.max(1).values.mean().item())
    assert metrics.iou_recall(named, annotated) == pytest.approx(pairs.max(0).values.mean().item())


def test_equation_2() -> None:
    assert metrics.iou_of_regions([HALF, AWAY], [SQUARE]) == pytest.approx(0.25)
    assert metrics.iou_of_regions([], [SQUARE]) == metrics.iou_of_regions([SQUARE], []) == 0.0


def test_what_is_left_out_costs_recall_and_what_is_added_costs_equation_2() -> None:
    few, many = ([SQUARE], [SQUARE, AWAY]), ([SQUARE, AWAY], [SQUARE])
    assert [compute(*few) for compute in metrics.IOU_METRICS.values()] == pytest.approx([1.0, 0.5, 2 / 3])
    assert [compute(*many) for compute in metrics.IOU_METRICS.values()] == pytest.approx([0.5, 1.0, 2 / 3])


@pytest.mark.parametrize("name", metrics.IOU_METRICS)
def test_nothing_named_where_there_is_nothing_is_left_out(name: str) -> None:
    compute = metrics.IOU_METRICS[name]
    assert compute([], []) is None
    assert compute([SQUARE], []) == compute([], [SQUARE]) == compute([AWAY], [SQUARE]) == 0.0


def test_advantage_is_paired() -> None:
    own = [Prediction(REAL, REAL, REAL, (), ())] * 8
    other = [Prediction(REAL, REAL, GENERATED, (), ())] * 2 + own[2:]
    advantage = metrics.measure_advantage(own, other)
    assert advantage.value == pytest.approx(0.25)
    assert metrics.measure_advantage(own, own) == Metric(0.0, 0.0, 0.0, 8)


def test_precision_is_stated_for_a_prevalence() -> None:
    own = metrics.compute_metrics(FIVE)["precision"]
    assert own.value == pytest.approx(2 / 3)  # two of the three that are called so: the set's own mix
    stated = metrics.measure_precision(FIVE, 0.1)
    assert stated.value == pytest.approx(0.1 * 1.0 / (0.1 * 1.0 + 0.9 / 3))
    assert metrics.compute_metrics(FIVE, prevalence=0.1)["prevalence"].value == 0.1
    one_class = metrics.compute_metrics(FIVE[:2], prevalence=0.1)
    assert (one_class["prevalence"].value, one_class["tnr"].value, one_class["precision"].value) == (1.0, None, None)
    assert metrics.measure_precision([Prediction(REAL, REAL, REAL, (), ())], 0.1).value is None


def test_the_model_s_words_and_the_published_verdicts_have_metrics_of_their_own() -> None:
    overruled = [replace(FIVE[1], overruled=True), replace(FIVE[2], overruled=True)]
    computed = metrics.compute_metrics([*overruled, FIVE[4], FIVE[3]])
    assert [computed[name].value for name in ("acc", "acc_published")] == pytest.approx([2 / 4, 3 / 4])
    assert [prediction.published_verdict for prediction in (*overruled, FIVE[4])] == [REAL, REAL, REAL]
    assert computed["overruled"].value == pytest.approx(2 / 4)
    assert (computed["tpr"].value, computed["precision"].value) == (1.0, None), "nothing is published as generated"
    assert computed["identity_gap"].value == pytest.approx(0.0, abs=1e-12)


def test_a_card_overrules_the_words_that_its_probability_contradicts() -> None:
    wrote_generated = Prediction(REAL, REAL, GENERATED, (), (), p_generated_raw=0.6)
    published = wrote_generated.recalibrate(CheckpointCard(threshold=0.7))
    assert (published.published_verdict, published.check_verdict, published.overruled) == (REAL, GENERATED, True)
    assert published.recalibrate(CheckpointCard()).overruled is False
    assert replace(wrote_generated, p_generated_raw=None).recalibrate(CheckpointCard()).published_verdict is GENERATED


def test_query_1_decides_where_query_2_could_not_be_read() -> None:
    degraded = Prediction(REAL, GENERATED, None, (), (), scan_p_generated_raw=0.6)
    calibrated = CheckpointCard(
        calibration=Calibration(bias=9.0), scan_calibration=Scaling(bias=-1.0), uncertain_between=(0.3, 0.5)
    )
    decided = degraded.recalibrate(calibrated)
    assert decided.p_generated == calibrated.decide_scan(0.6).p_generated
    assert (decided.published_verdict, decided.overruled, decided.uncertain) == (REAL, True, True)
    assert degraded.recalibrate(CheckpointCard()).published_verdict is GENERATED
    computed = metrics.compute_metrics([decided])
    assert [computed[name].value for name in ("acc", "acc_published", "unparsed")] == [0.0, 1.0, 1.0]
    unread = Prediction(REAL, None, None, (), ())
    assert unread.recalibrate(calibrated) == unread
    assert unread.published_verdict is None


def test_balanced_accuracy_is_the_mean_of_both_classes() -> None:
    assert metrics.compute_metrics(FIVE)["balanced_acc"].value == pytest.approx((1 + 1 / 3) / 2)


def test_the_bound_of_the_view() -> None:
    assert metrics.view_bound(0) == 0.5
    assert metrics.view_bound(1.6) == pytest.approx(0.7881, abs=1e-4)


def test_equal_weights_give_what_a_set_without_weights_gives() -> None:
    equal = [replace(prediction, weight=7.0) for prediction in FIVE]
    assert metrics.compute_metrics(equal) == metrics.compute_metrics(FIVE)


def test_weights_bring_a_sample_of_hard_images_back_to_the_traffic() -> None:
    """Of 1,000 easy images one in ten is in the sample, of 100 hard ones, all generated, each."""
    easy = [Prediction(REAL, REAL, REAL, (), (), weight=10.0)] * 100
    hard = [Prediction(GENERATED, REAL, verdict, (), ()) for verdict in (REAL, GENERATED)] * 50
    computed = metrics.compute_metrics(easy + hard)
    assert computed["acc"].value == pytest.approx(1050 / 1100)
    assert computed["acc_published"].value == pytest.approx(1050 / 1100)
    assert computed["prevalence"].value == pytest.approx(100 / 1100)
    assert computed["c_cases"].value == pytest.approx(50 / 1100)
    assert computed["tpr"].value == pytest.approx(0.5)
    assert computed["precision"].value == 1.0
    unweighted = metrics.compute_metrics([replace(each, weight=1.0) for each in easy + hard])
    assert unweighted["acc"].value == pytest.approx(0.75)


def test_an_image_that_people_chose_enters_no_figure() -> None:
    chosen = replace(FIVE[2], weight=0.0)
    counted = [replace(prediction, weight=2.0) for prediction in FIVE if prediction is not FIVE[2]]
    with_it, without = metrics.compute_metrics([*counted, chosen]), metrics.compute_metrics(counted)
    assert {name: metric.value for name, metric in with_it.items() if name != "identity_gap"} == pytest.approx(
        {name: metric.value for name, metric in without.items() if name != "identity_gap"}
    )
    assert metrics.compute_metrics([chosen, chosen])["acc"] == Metric(None, None, None, 0)


def test_where_nobody_drew_no_overlap_is_measured() -> None:
    undrawn = Prediction(GENERATED, GENERATED, GENERATED, (SQUARE,), (), undrawn=True)
    for name in ("iou", "iou_recall", "iou_f1"):
        assert metrics.compute_metrics([*FIVE, undrawn])[name].n == 4
        assert metrics.compute_metrics([*FIVE, undrawn])[name].value == metrics.compute_metrics(FIVE)[name].value
