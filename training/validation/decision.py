"""Decides whether weights replace the start: one look, by paired differences over the same validation images. Pure.

The weights have to raise what they are trained for, and nothing else may be known to have fallen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from training.common import resampling
from training.common.resampling import Metric, Statistic
from training.evaluation.comparison import COMPARED_METRICS, StatisticBuilder
from training.evaluation.metrics import Prediction

MAY_FALL = 0.01
"""of a metric that is guarded: a larger fall refuses the weights where its whole interval shows it"""
BLEU_WEIGHT = 0.1
"""of BLEU-2 beside Acc: a tenth of BLEU-2 outweighs a point of Acc"""
FailedCheck = str
Aim = Literal["boxes", "words", "both"]
"""of a training: regions, verdicts with explanations, or both of them"""


@dataclass(frozen=True, slots=True)
class Check:
    """A metric of the decision, by the words for what happened when it fails."""

    failure: str
    build: StatisticBuilder


def _build_words(predictions: Sequence[Prediction]) -> Statistic:
    """Build Acc plus a part of BLEU-2; Acc alone for a set without references."""
    acc, bleu = _get_builder("acc")(predictions), _get_builder("bleu2")(predictions)
    if not any(prediction.reference for prediction in predictions):
        return acc
    return lambda weights: acc(weights) + BLEU_WEIGHT * bleu(weights)


def _build_both(predictions: Sequence[Prediction]) -> Statistic:
    """Build the aim of the words plus the overlap of regions; without regions in the set, the words alone."""
    words, boxes = _build_words(predictions), _BOXES(predictions)
    if not any(prediction.annotated for prediction in predictions):
        return words
    return lambda weights: words(weights) + boxes(weights)


def _get_builder(name: str) -> StatisticBuilder:
    _, build = COMPARED_METRICS[name]
    return build


_GUARDS: Mapping[str, Check] = {
    "acc": Check("Acc fell", _get_builder("acc")),
    "i_acc": Check("I-Acc fell", _get_builder("i_acc")),
    "parsed": Check("more answers are unreadable", _get_builder("parsed")),
}
_BOXES = _get_builder("iou_f1")
# The reading of the overlap that omitted boxes do not raise. Stage 2 zooms into the start's boxes, so it keeps them.
AIMS: Mapping[Aim, tuple[str, Check]] = {
    "boxes": ("iou_f1", Check("no rise of IoU f1 seen", _BOXES)),
    "words": ("acc_and_bleu2", Check("no rise of Acc and BLEU-2 seen", _build_words)),
    "both": ("acc_iou_f1_and_bleu2", Check("no rise of Acc, IoU f1 and BLEU-2 seen", _build_both)),
}
_ALL_GUARDS = {**_GUARDS, "iou_f1": Check("IoU f1 fell", _BOXES)}
GUARDS: Mapping[Aim, Mapping[str, Check]] = {"boxes": _GUARDS, "words": _ALL_GUARDS, "both": _ALL_GUARDS}


@dataclass(frozen=True, slots=True)
class WeightsDecision:
    """The differences to the start by metric, the first of them the aim's, and the checks that failed.

    Without a failed check the weights are better than the start.
    """

    differences: Mapping[str, Metric]
    failed_checks: tuple[FailedCheck, ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {format_difference(metric)}" for name, metric in self.differences.items())


def decide(aim: Aim, start: Sequence[Prediction], new: Sequence[Prediction]) -> WeightsDecision:
    """Compare two sets of weights over the same images, given in the same order.

    The aim has risen when the lower bound of its 95 % interval is above 0; a guard has failed when the upper bound of
    its interval is below -MAY_FALL.
    """
    name, goal = AIMS[aim]
    guards = GUARDS[aim]
    differences = {key: _subtract(check.build, start, new) for key, check in {name: goal, **guards}.items()}
    failed = [
        f"{check.failure} ({format_difference(differences[key])})"
        for key, check in guards.items()
        if (high := differences[key].high) is not None and high < -MAY_FALL
    ]
    low = differences[name].low
    if low is None or low <= 0:
        failed.append(f"{goal.failure} ({format_difference(differences[name])})")
    return WeightsDecision(differences, tuple(failed))


def _subtract(build: StatisticBuilder, start: Sequence[Prediction], new: Sequence[Prediction]) -> Metric:
    difference = resampling.subtract_paired(build(new), build(start))
    return resampling.estimate_metric(difference, images=len(new))


def format_difference(metric: Metric) -> str:
    """Return a difference with its interval, all with their signs."""
    if metric.value is None or metric.low is None or metric.high is None:
        return "none to judge"
    return f"{metric.value:+.4f} [{metric.low:+.4f}, {metric.high:+.4f}]"
