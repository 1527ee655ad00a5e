"""Decides whether weights replace the start: one look, by paired differences over the same validation images. Pure.

The weights have to raise what the stage is trained for, and nothing else may be known to have fallen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.common import resampling
from training.common.resampling import Metric, Statistic
from training.evaluation.comparison import COMPARED_METRICS, StatisticBuilder
from training.evaluation.metrics import Prediction
from training.grpo.profiles import Stage

MAY_FALL = 0.01
"""of a metric that the stage is not trained for: a larger fall refuses the weights where its whole interval shows it"""
BLEU_WEIGHT = 0.1
"""of BLEU-2 beside Acc in stage 2: a tenth of BLEU-2 outweighs a point of Acc"""
FailedCheck = str


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
AIMS: Mapping[Stage, tuple[str, Check]] = {
    1: ("iou_f1", Check("no rise of IoU f1 seen", _BOXES)),
    2: ("acc_and_bleu2", Check("no rise of Acc and BLEU-2 seen", _build_words)),
}
GUARDS: Mapping[Stage, Mapping[str, Check]] = {1: _GUARDS, 2: {**_GUARDS, "iou_f1": Check("IoU f1 fell", _BOXES)}}


@dataclass(frozen=True, slots=True)
class Decision:
    """The differences to the start by metric, the first of them the aim's, and the checks that failed.

    Without a failed check the weights are better than the start.
    """

    differences: Mapping[str, Metric]
    failed_checks: tuple[FailedCheck, ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {format_difference(metric)}" for name, metric in self.differences.items())


def decide(stage: Stage, start: Sequence[Prediction], new: Sequence[Prediction]) -> Decision:
    """Compare two sets of weights over the same images, given in the same order.

    The aim has risen when the lower bound of its 95 % interval is above 0; a guard has failed when the upper bound of
    its interval is below -MAY_FALL.
    """
    name, aim = AIMS[stage]
    guards = GUARDS[stage]
    differences = {key: _subtract(check.build, start, new) for key, check in {name: aim, **guards}.items()}
    failed = [
        f"{check.failure} ({format_difference(differences[key])})"
        for key, check in guards.items()
        if (high := differences[key].high) is not None and high < -MAY_FALL
    ]
    low = differences[name].low
    if low is None or low <= 0:
        failed.append(f"{aim.failure} ({format_difference(differences[name])})")
    return Decision(differences, tuple(failed))


def _subtract(build: StatisticBuilder, start: Sequence[Prediction], new: Sequence[Prediction]) -> Metric:
    difference = resampling.subtract_paired(build(new), build(start))
    return resampling.estimate_metric(difference, images=len(new))


def format_difference(metric: Metric) -> str:
    """Return a difference with its interval, all with their signs."""
    if metric.value is None or metric.low is None or metric.high is None:
        return "none to judge"
    return f"{metric.value:+.4f} [{metric.low:+.4f}, {metric.high:+.4f}]"
