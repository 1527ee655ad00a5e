"""Metrics of one set of weights over the validation images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation import metrics, text_metrics
from training.evaluation.metrics import Prediction

FEWER_BOXES_FRACTION = 0.9
"""of the start's boxes: with fewer, a rise of equation 2 counts as reward hacking"""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Metrics of the weights of one step over the validation images; `step` is 0 for the start."""

    step: int
    acc: float
    i_acc: float
    iou: float
    iou_recall: float
    iou_f1: float
    boxes: float
    unparsed: float
    bleu2: float

    def __str__(self) -> str:
        return (
            f"Acc {self.acc:.3f}, I-Acc {self.i_acc:.3f}, IoU {self.iou:.3f} (recall {self.iou_recall:.3f}, "
            f"f1 {self.iou_f1:.3f}), {self.boxes:.2f} boxes an image, BLEU-2 {self.bleu2:.3f}, "
            f"unreadable {self.unparsed:.1%}"
        )


def summarize_predictions(step: int, predictions: Sequence[Prediction]) -> ValidationResult:
    """Compute the metrics of one step."""
    computed = metrics.compute_metrics(predictions)
    bleu = [text_metrics.bleu(each.explanation, each.reference or "", order=2) for each in predictions]
    scores = [score for score in bleu if score is not None]
    names = ("acc", "i_acc", "iou", "iou_recall", "iou_f1", "boxes", "unparsed")
    values = {name: computed[name].value or 0.0 for name in names}
    return ValidationResult(step, bleu2=float(np.mean(scores)) if scores else 0.0, **values)


def is_reward_hacking(new: ValidationResult, start: ValidationResult) -> bool:
    """Return whether equation 2 rose because boxes were left out."""
    return new.iou > start.iou and new.iou_recall < start.iou_recall and new.boxes < FEWER_BOXES_FRACTION * start.boxes
