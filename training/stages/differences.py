"""Metrics of an arm from its predictions, and differences of two arms over the same scenes and seeds. Pure.

Predictions of all seeds stand one behind the other, so a scene of one seed is paired with itself in another arm.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from training.common import resampling
from training.common.resampling import Metric, Statistic
from training.evaluation import metrics
from training.evaluation.comparison import COMPARED_METRICS
from training.evaluation.metrics import Prediction

OWN, ANNOTATED = "own", "annotated"
Passes = Mapping[str, Sequence[Prediction]]
"""the predictions with crops at the model's own boxes, and at annotated ones"""


def _build_c_acc(predictions: Sequence[Prediction]) -> Statistic:
    verdicts = [prediction.check_verdict for prediction in predictions]
    right = metrics.mark_right(verdicts, predictions)
    return resampling.build_mean(right, among=metrics.mark_changed(predictions))


def _build_unparsed(predictions: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(np.array([not prediction.parsed for prediction in predictions], float))


def _build_box_gain(passes: Passes) -> Statistic:
    own, annotated = (metrics.build_accuracy(passes[name]) for name in (OWN, ANNOTATED))
    return resampling.subtract_paired(own, annotated)


def _of_own(name: str) -> tuple[str, Callable[[Passes], Statistic]]:
    title, build = COMPARED_METRICS[name]
    return title, lambda passes: build(passes[OWN])


METRICS: Mapping[str, tuple[str, Callable[[Passes], Statistic]]] = {
    "acc": _of_own("acc"),
    "acc_annotated": ("Acc at annotated boxes: the ceiling of stage 1", lambda p: metrics.build_accuracy(p[ANNOTATED])),
    "box_gain": ("Acc minus Acc at annotated boxes", _build_box_gain),
    "i_acc": _of_own("i_acc"),
    "c_acc": ("C-Acc: right where Query 2 changed the verdict", lambda p: _build_c_acc(p[OWN])),
    "c_acc_annotated": ("C-Acc at annotated boxes", lambda p: _build_c_acc(p[ANNOTATED])),
    "c_cases": _of_own("c_cases"),
    "iou": _of_own("iou"),
    "iou_recall": _of_own("iou_recall"),
    "iou_f1": _of_own("iou_f1"),
    "boxes": _of_own("boxes"),
    "bleu2": _of_own("bleu2"),
    "unparsed": ("unreadable answers", lambda p: _build_unparsed(p[OWN])),
}


@dataclass(frozen=True, slots=True, eq=False)
class ArmStatistics:
    """The statistics of one arm over `images` scenes of all seeds, by the names of `METRICS`."""

    images: int
    statistics: Mapping[str, Statistic]

    @classmethod
    def build(cls, passes: Passes, names: Collection[str] = tuple(METRICS)) -> "ArmStatistics":
        return cls(len(passes[OWN]), {name: METRICS[name][1](passes) for name in names})

    def estimate(self) -> dict[str, Metric]:
        """Return every metric with its interval."""
        return {
            name: resampling.estimate_metric(statistic, images=self.images)
            for name, statistic in self.statistics.items()
        }

    def subtract(self, other: "ArmStatistics") -> dict[str, Metric]:
        """Return every metric minus that of another arm, paired."""
        return {
            name: resampling.estimate_metric(
                resampling.subtract_paired(statistic, other.statistics[name]), images=self.images
            )
            for name, statistic in self.statistics.items()
        }


def join_seeds(by_seed: Sequence[Passes]) -> Passes:
    """Put the predictions of the seeds one behind the other."""
    return {name: [prediction for passes in by_seed for prediction in passes[name]] for name in (OWN, ANNOTATED)}


def select_readable(arm: Passes, other: Passes) -> tuple[Passes, Passes]:
    """Return the predictions of both for the scenes that both answer readably, with either crops."""
    readable = [
        all(prediction.parsed for prediction in of_scene)
        for of_scene in zip(arm[OWN], arm[ANNOTATED], other[OWN], other[ANNOTATED], strict=True)
    ]
    return _select(arm, readable), _select(other, readable)


def _select(passes: Passes, chosen: Sequence[bool]) -> Passes:
    return {name: list(compress(predictions, chosen)) for name, predictions in passes.items()}
