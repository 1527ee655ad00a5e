from dataclasses import replace

import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation.metrics import Prediction
from training.validation.result import ValidationResult, is_reward_hacking, summarize_predictions

START = ValidationResult(
    0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.55, iou_f1=0.57, boxes=1.9, unparsed=0.0, bleu2=0.5
)
SQUARE = BoundingBox(0, 0, 10, 10)
AWAY = BoundingBox(50, 50, 60, 60)


def later(step: int, **changed: float) -> ValidationResult:
    return replace(START, step=step, **changed)


def test_metrics_of_predicted_images() -> None:
    predictions = [
        Prediction(
            Verdict.REAL,
            Verdict.REAL,
            Verdict.REAL,
            (SQUARE,),
            (SQUARE, AWAY),
            explanation="a seam",
            reference="a seam",
        ),
        Prediction(Verdict.GENERATED, Verdict.REAL, None, (), ()),
    ]
    result = summarize_predictions(20, predictions)
    assert (result.step, result.acc, result.i_acc, result.boxes, result.unparsed) == (20, 0.5, 0.5, 0.5, 0.5)
    assert (result.iou, result.iou_recall, result.iou_f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert result.bleu2 == pytest.approx(1)
    assert "I-Acc 0.500" in str(result)


def test_rising_equation_2_by_leaving_boxes_out_is_told() -> None:
    fewer = later(20, iou=0.68, iou_recall=0.45, iou_f1=0.54, boxes=1.2)
    assert is_reward_hacking(fewer, START)
    assert not is_reward_hacking(later(20, iou=0.68, iou_recall=0.6, iou_f1=0.64, boxes=1.85), START)
