from dataclasses import replace

import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import summary
from training.evaluation.evaluate import PASSES, PERTURBED
from training.evaluation.metrics import Prediction
from training.synthetic.unseen import UNSEEN

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
BOX, AWAY = BoundingBox(0, 0, 10, 10), BoundingBox(50, 50, 60, 60)


def make_prediction(
    label: Verdict, explanation: str = "", reference: str | None = None, *, box: BoundingBox = BOX
) -> Prediction:
    return Prediction(label, REAL, GENERATED, (box,), (BOX,), 0.9, 0.9, explanation=explanation, reference=reference)


OWN = [
    make_prediction(GENERATED, "Crop 1: fabric with tiles.", "Crop 1: fabric with tiles."),
    make_prediction(GENERATED, "", "Crop 1: fabric with tiles."),
    make_prediction(REAL, "Crop 1: plain ground."),
]


def test_explanations_are_scored_where_there_is_a_reference() -> None:
    metrics = summary.summarize_passes({"own": OWN})
    for name in ("bleu1", "bleu2", "rouge_l"):
        assert (metrics[name].value, metrics[name].n) == (pytest.approx(0.5), 2)
    assert summary.summarize_passes({"own": OWN[2:]})["bleu2"].value is None


def test_every_metric_has_a_meaning_and_the_table_shows_each() -> None:
    everywhere = dict.fromkeys((*PASSES, *PERTURBED, *UNSEEN, summary.PHOTOGRAPHS), OWN)
    everywhere["own"] = [replace(OWN[0], weight=2.0), *OWN[1:]]
    metrics = summary.summarize_passes(everywhere, prevalence=0.1)
    assert set(metrics) == set(summary.MEANINGS)
    text = summary.format_metrics(metrics)
    assert "Phi(1.6/2) = 0.788" in text.splitlines()[0]
    assert len(text.splitlines()) == len(summary.MEANINGS)
    assert set(summary.summarize_passes({"own": OWN})) < set(metrics)


def test_what_perturbed_images_cost_is_paired() -> None:
    worse = [make_prediction(REAL), make_prediction(GENERATED, box=AWAY), make_prediction(REAL)]
    metrics = summary.summarize_passes({"own": OWN, "jpeg_30": worse})
    assert metrics["acc_jpeg_30"].value == pytest.approx(1 / 3)
    assert metrics["acc_drop_jpeg_30"].value == pytest.approx(1 / 3)
    assert (metrics["iou_jpeg_30"].value, metrics["iou_drop_jpeg_30"].value) == pytest.approx((2 / 3, 1 / 3))
    unchanged = summary.summarize_passes({"own": OWN, "jpeg_30": OWN})["acc_drop_jpeg_30"]
    assert (unchanged.value, unchanged.low, unchanged.high) == (0.0, 0.0, 0.0)


def test_what_photographs_cost_is_not_paired_as_they_are_others_and_of_another_number() -> None:
    photographs = [
        make_prediction(GENERATED),
        make_prediction(REAL),
        make_prediction(REAL, box=AWAY),
        make_prediction(REAL),
    ]
    metrics = summary.summarize_passes({"own": OWN, summary.PHOTOGRAPHS: photographs})
    assert (metrics["acc_photographs"].value, metrics["acc_photographs"].n) == (0.25, 4)
    assert metrics["acc_drop_photographs"].value == pytest.approx(2 / 3 - 1 / 4)
    assert metrics["iou_drop_photographs"].value == pytest.approx(1 - 3 / 4)
    same = summary.summarize_passes({"own": OWN * 20, summary.PHOTOGRAPHS: OWN * 20})["acc_drop_photographs"]
    assert (same.value, same.n) == (0.0, 120)
    assert same.low is not None
    assert same.low < -0.05


def test_precision_and_calibration_are_stated_for_one_prevalence() -> None:
    own = summary.summarize_passes({"own": OWN})
    stated = summary.summarize_passes({"own": OWN}, prevalence=0.1)
    assert (own["prevalence"].value, stated["prevalence"].value) == (pytest.approx(2 / 3), 0.1)
    assert stated["precision"].value == pytest.approx(0.1)
    assert stated["brier"].value == pytest.approx(0.1 * 0.01 + 0.9 * 0.81)
    assert stated["acc"] == own["acc"]


def test_the_effective_number_of_images_is_said_where_they_weigh_differently() -> None:
    assert "effective_images" not in summary.summarize_passes({"own": OWN})
    uneven = [replace(prediction, weight=weight) for prediction, weight in zip(OWN, (8.0, 1.0, 1.0), strict=True)]
    summarized = summary.summarize_passes({"own": uneven, "random": uneven, "jpeg_30": uneven})
    assert summarized["effective_images"].value == pytest.approx(100 / 66)
    assert f"{summary.MEANINGS['effective_images']:36} 1.515" in summary.format_metrics(summarized)
    assert summarized["acc_random_boxes"] == summarized["acc_jpeg_30"] == summarized["acc"]
