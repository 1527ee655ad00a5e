"""Validation on images that training never sees: predictions, metrics, regression checks, and the best weights."""

from collections.abc import Callable, Mapping, Sequence
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
from training.grpo.profiles import Stage
from training.runs import prompts as run_prompts
from training.runs.completions import ParsedCompletion

MAY_FALL = 0.02
"""largest loss of a metric that is not trained for; smaller than the losses that trials had"""
LEAST_IOU_FRACTION = 0.95
"""of the start's overlap that stage 2 must reach; with less, Query 2 gets worse crops than it was trained on"""
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


FailedCheck = str
Check = Callable[[ValidationResult, ValidationResult], bool]

# Regression checks of new weights against the start, by the words for a failed check; True means failed.
_REGRESSION_CHECKS: Mapping[Stage, Mapping[FailedCheck, Check]] = {
    1: {
        "Acc fell": lambda new, start: new.acc < start.acc - MAY_FALL,
        "I-Acc fell": lambda new, start: new.i_acc < start.i_acc - MAY_FALL,
        "more answers are unreadable": lambda new, start: new.unparsed > start.unparsed + MAY_FALL,
    },
    2: {
        "IoU fell": lambda new, start: new.iou_f1 < LEAST_IOU_FRACTION * start.iou_f1,
        "I-Acc fell": lambda new, start: new.i_acc < start.i_acc - MAY_FALL,
        "more answers are unreadable": lambda new, start: new.unparsed > start.unparsed + MAY_FALL,
    },
}


def compute_objective(stage: Stage, result: ValidationResult) -> float:
    """Return the number that a stage is to raise.

    Stage 1: the reading of the overlap that omitted boxes do not raise. Stage 2: Acc, and among equals BLEU-2.
    """
    return result.iou_f1 if stage == 1 else result.acc + 0.1 * result.bleu2


def find_failed_checks(stage: Stage, new: ValidationResult, start: ValidationResult) -> list[FailedCheck]:
    """Return the checks that these weights fail; without one they may replace the start's."""
    failed = [name for name, fails in _REGRESSION_CHECKS[stage].items() if fails(new, start)]
    if compute_objective(stage, new) <= compute_objective(stage, start):
        failed.append("IoU f1 did not rise" if stage == 1 else "Acc and BLEU-2 did not rise")
    return failed


def is_reward_hacking(new: ValidationResult, start: ValidationResult) -> bool:
    """Return whether equation 2 rose because boxes were left out."""
    return new.iou > start.iou and new.iou_recall < start.iou_recall and new.boxes < FEWER_BOXES_FRACTION * start.boxes


def select_best(stage: Stage, results: Sequence[ValidationResult]) -> ValidationResult:
    """Return the result whose weights to keep; the first of `results` is the start's."""
    start = results[0]
    allowed = [new for new in results[1:] if not find_failed_checks(stage, new, start)]
    return max(allowed, key=lambda new: compute_objective(stage, new), default=start)
