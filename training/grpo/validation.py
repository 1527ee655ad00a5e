"""Validation on images that training never sees: predictions and metrics of one set of weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import geometry
from pipeline.verdict import BoundingBox
from training.common.progress import Progress
from training.dataset.labeled_image import LabeledImage
from training.evaluation import metrics, text_metrics
from training.evaluation.metrics import Prediction
from training.grpo.greedy import GreedyGenerator
from training.runs import prompts as run_prompts
from training.runs.completions import ParsedCompletion

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


def scan_images(
    generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage], title: str
) -> tuple[list[ParsedCompletion], list[tuple[BoundingBox, ...]]]:
    """Answer Query 1 on each image, and return the completions and the boxes that serving would zoom into."""
    progress = Progress(title, len(entries))
    completions = generator.generate(run_prompts.build_scan_prompts(directory, entries), progress.show)
    # `geometry.choose_zoomable` without its clipping: regions that were read lie inside the image.
    most = generator.card.max_crops
    return completions, [tuple(geometry.drop_repeated_boxes(scan.regions)[:most]) for scan in completions]


def predict_images(
    generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage], *, one_turn: bool
) -> list[Prediction]:
    """Answer both queries on each image, or in one turn Query 2 alone."""
    predict = predict_uncropped if one_turn else predict_two_turns
    return predict(generator, directory, entries)


def predict_two_turns(generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage]) -> list[Prediction]:
    """Answer both queries on each image, Query 2 with crops at the model's own boxes."""
    scans, boxes = scan_images(generator, directory, entries, "validation, query 1")
    prompts = [
        replace(prompt, crops=crops)
        for prompt, crops in zip(run_prompts.build_scan_prompts(directory, entries), boxes, strict=True)
    ]
    progress = Progress("validation, query 2", len(prompts))
    checks = generator.generate(prompts, progress.show)
    return [
        Prediction(
            entry.label,
            scan.verdict,
            check.verdict,
            scan.regions,
            entry.regions,
            explanation=check.explanation,
            reference=entry.explanations.check if entry.explanations else None,
        )
        for entry, scan, check in zip(entries, scans, checks, strict=True)
    ]


def predict_uncropped(generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage]) -> list[Prediction]:
    """Answer Query 2 without crops on each image; its verdict counts as that of both queries."""
    prompts = run_prompts.build_one_turn_prompts(directory, entries)
    completions = generator.generate(prompts, Progress("validation, one turn", len(prompts)).show)
    return [
        Prediction(
            entry.label,
            completion.verdict,
            completion.verdict,
            (),
            entry.regions,
            explanation=completion.explanation,
            reference=prompt.reference or None,
        )
        for entry, prompt, completion in zip(entries, prompts, completions, strict=True)
    ]


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
