"""Whether training helped: both queries on images that it never saw, and which weights are kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import geometry
from pipeline.verdict import BoundingBox
from training.common.progress import Progress
from training.dataset.manifest import Entry
from training.evaluation import metrics, text_metrics
from training.evaluation.metrics import Prediction
from training.grpo.greedy import Reader
from training.grpo.profiles import Stage
from training.runs import prompts as run_prompts
from training.runs.completions import Answered

MAY_FALL = 0.02
"""how much of a figure that is not trained for may be lost; less than the trials lost where they lost any"""
KEPT_IOU = 0.95
"""stage 2 keeps this share of the start's overlap, or Query 2 gets worse crops than it was trained on"""
BOXES_FELL = 0.9


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one set of weights over the same images; `step` is 0 for the start."""

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


def scan(
    reader: Reader, directory: Path, entries: Sequence[Entry], title: str
) -> tuple[list[Answered], list[tuple[BoundingBox, ...]]]:
    """Query 1's answers, and the boxes that serving would zoom into."""
    progress = Progress(title, len(entries))
    answers = reader.answers(run_prompts.scans(directory, entries), progress.show)
    # `geometry.zoomable` without its clipping: regions that were read lie inside the image.
    most = reader.card.max_crops
    return answers, [tuple(geometry.distinct(answer.regions)[:most]) for answer in answers]


def judge(reader: Reader, directory: Path, entries: Sequence[Entry]) -> list[Prediction]:
    """Both queries on each image, Query 2 with crops at the model's own boxes."""
    scans, boxes = scan(reader, directory, entries, "validation, query 1")
    asked = [
        replace(question, crops=crops)
        for question, crops in zip(run_prompts.scans(directory, entries), boxes, strict=True)
    ]
    progress = Progress("validation, query 2", len(asked))
    checks = reader.answers(asked, progress.show)
    return [
        Prediction(
            entry.label,
            first.verdict,
            check.verdict,
            first.regions,
            entry.regions,
            explanation=check.explanation,
            reference=entry.explanations.check if entry.explanations else None,
        )
        for entry, first, check in zip(entries, scans, checks, strict=True)
    ]


def judge_one_turn(reader: Reader, directory: Path, entries: Sequence[Entry]) -> list[Prediction]:
    """Query 2 without crops on each image; its one verdict stands as both."""
    asked = run_prompts.uncropped(directory, entries)
    answers = reader.answers(asked, Progress("validation, one turn", len(asked)).show)
    return [
        Prediction(
            entry.label,
            answer.verdict,
            answer.verdict,
            (),
            entry.regions,
            explanation=answer.explanation,
            reference=question.reference or None,
        )
        for entry, question, answer in zip(entries, asked, answers, strict=True)
    ]


def result(step: int, judged: Sequence[Prediction]) -> Result:
    shown = metrics.figures(judged)
    bleu = [text_metrics.bleu(one.explanation, one.reference or "", order=2) for one in judged]
    said = [score for score in bleu if score is not None]
    names = ("acc", "i_acc", "iou", "iou_recall", "iou_f1", "boxes", "unparsed")
    values = {name: shown[name].value or 0.0 for name in names}
    return Result(step, bleu2=float(np.mean(said)) if said else 0.0, **values)


Reason = str
Test = Callable[[Result, Result], bool]

# What must hold of new weights against the start; the words say what went wrong where it does not.
_GUARDS: Mapping[Stage, Mapping[Reason, Test]] = {
    1: {
        "Acc fell": lambda new, start: new.acc < start.acc - MAY_FALL,
        "I-Acc fell": lambda new, start: new.i_acc < start.i_acc - MAY_FALL,
        "more answers are unreadable": lambda new, start: new.unparsed > start.unparsed + MAY_FALL,
    },
    2: {
        "IoU fell": lambda new, start: new.iou_f1 < KEPT_IOU * start.iou_f1,
        "I-Acc fell": lambda new, start: new.i_acc < start.i_acc - MAY_FALL,
        "more answers are unreadable": lambda new, start: new.unparsed > start.unparsed + MAY_FALL,
    },
}


def aim(stage: Stage, figures: Result) -> float:
    """What a stage is to raise: the overlap that cannot be gamed; Acc, and among equals the better words."""
    return figures.iou_f1 if stage == 1 else figures.acc + 0.1 * figures.bleu2


def objections(stage: Stage, new: Result, start: Result) -> list[Reason]:
    """Why these weights may not replace the start's; empty if they may."""
    found = [reason for reason, fell in _GUARDS[stage].items() if fell(new, start)]
    if aim(stage, new) <= aim(stage, start):
        found.append("IoU f1 did not rise" if stage == 1 else "Acc and BLEU-2 did not rise")
    return found


def gamed(new: Result, start: Result) -> bool:
    """Equation 2 rose because boxes were left out."""
    return new.iou > start.iou and new.iou_recall < start.iou_recall and new.boxes < BOXES_FELL * start.boxes


def best(stage: Stage, results: Sequence[Result]) -> Result:
    """The weights to keep, of results whose first is the start's."""
    start = results[0]
    allowed = [new for new in results[1:] if not objections(stage, new, start)]
    return max(allowed, key=lambda new: aim(stage, new), default=start)
