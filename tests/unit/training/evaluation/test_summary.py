import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import summary
from training.evaluation.evaluate import DEGRADED, PASSES
from training.evaluation.metrics import Prediction
from training.synthetic.unseen import UNSEEN

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
BOX, AWAY = BoundingBox(0, 0, 10, 10), BoundingBox(50, 50, 60, 60)


def judged(label: Verdict, said: str = "", reference: str | None = None, *, box: BoundingBox = BOX) -> Prediction:
    return Prediction(label, REAL, GENERATED, (box,), (BOX,), 0.9, 0.9, explanation=said, reference=reference)


OWN = [
    judged(GENERATED, "Crop 1: fabric with tiles.", "Crop 1: fabric with tiles."),
    judged(GENERATED, "", "Crop 1: fabric with tiles."),
    judged(REAL, "Crop 1: plain ground."),
]


def test_explanations_are_scored_where_there_is_a_reference() -> None:
    shown = summary.of_passes({"own": OWN})
    for name in ("bleu1", "bleu2", "rouge_l"):
        assert (shown[name].value, shown[name].n) == (pytest.approx(0.5), 2)
    assert summary.of_passes({"own": OWN[2:]})["bleu2"].value is None


def test_every_figure_has_a_meaning_and_the_table_shows_each() -> None:
    everywhere = dict.fromkeys((*PASSES, *DEGRADED, *UNSEEN, summary.PHOTOGRAPHS), OWN)
    shown = summary.of_passes(everywhere, prevalence=0.1)
    assert set(shown) == set(summary.MEANINGS)
    text = summary.table(shown)
    assert "Phi(1.6/2) = 0.788" in text.splitlines()[0]
    assert len(text.splitlines()) == len(summary.MEANINGS)
    assert set(summary.of_passes({"own": OWN})) < set(shown)


def test_what_degraded_images_cost_is_paired() -> None:
    worse = [judged(REAL), judged(GENERATED, box=AWAY), judged(REAL)]
    shown = summary.of_passes({"own": OWN, "jpeg_30": worse})
    assert shown["acc_jpeg_30"].value == pytest.approx(1 / 3)
    assert shown["acc_drop_jpeg_30"].value == pytest.approx(1 / 3)
    assert (shown["iou_jpeg_30"].value, shown["iou_drop_jpeg_30"].value) == pytest.approx((2 / 3, 1 / 3))
    unchanged = summary.of_passes({"own": OWN, "jpeg_30": OWN})["acc_drop_jpeg_30"]
    assert (unchanged.value, unchanged.low, unchanged.high) == (0.0, 0.0, 0.0)


def test_what_photographs_cost_is_not_paired_as_they_are_others_and_of_another_number() -> None:
    photographs = [judged(GENERATED), judged(REAL), judged(REAL, box=AWAY), judged(REAL)]
    shown = summary.of_passes({"own": OWN, summary.PHOTOGRAPHS: photographs})
    assert (shown["acc_photographs"].value, shown["acc_photographs"].n) == (0.25, 4)
    assert shown["acc_drop_photographs"].value == pytest.approx(2 / 3 - 1 / 4)
    assert shown["iou_drop_photographs"].value == pytest.approx(1 - 3 / 4)
    same = summary.of_passes({"own": OWN * 20, summary.PHOTOGRAPHS: OWN * 20})["acc_drop_photographs"]
    assert (same.value, same.n) == (0.0, 120)
    assert same.low is not None
    assert same.low < -0.05


def test_precision_and_calibration_are_stated_for_one_prevalence() -> None:
    own = summary.of_passes({"own": OWN})
    stated = summary.of_passes({"own": OWN}, prevalence=0.1)
    assert (own["prevalence"].value, stated["prevalence"].value) == (pytest.approx(2 / 3), 0.1)
    assert stated["precision"].value == pytest.approx(0.1)
    assert stated["brier"].value == pytest.approx(0.1 * 0.01 + 0.9 * 0.81)
    assert stated["acc"] == own["acc"]
