"""Metrics of an arm from its predictions, and differences of two arms over the same scenes and seeds. Pure.

Predictions of all seeds stand one behind the other, so a scene of one seed is paired with itself in another arm. All
seeds are judged on the same scenes, and may share a start. Intervals therefore resample scenes, each with its answers
of all seeds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt

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
class JoinedPasses:
    """The predictions of all seeds, one seed behind the other, and the number of the scene of each."""

    passes: Passes
    scenes: npt.NDArray[np.intp]

    def select(self, chosen: Sequence[bool]) -> "JoinedPasses":
        passes = {name: list(compress(predictions, chosen)) for name, predictions in self.passes.items()}
        return JoinedPasses(passes, self.scenes[np.array(chosen, bool)])


@dataclass(frozen=True, slots=True, eq=False)
class ArmStatistics:
    """The statistics of one arm by the names of `METRICS`, as functions of how often each scene counts.

    `predictions` is the number of scenes in all seeds, which is the `n` of the metrics.
    """

    scenes: int
    predictions: int
    statistics: Mapping[str, Statistic]

    @classmethod
    def build(cls, joined: JoinedPasses, names: Collection[str] = tuple(METRICS)) -> "ArmStatistics":
        statistics = {name: _count_by_scene(METRICS[name][1](joined.passes), joined.scenes) for name in names}
        return cls(int(joined.scenes.max(initial=-1)) + 1, len(joined.scenes), statistics)

    def estimate(self) -> dict[str, Metric]:
        """Return every metric with its interval."""
        return {name: self._estimate(statistic) for name, statistic in self.statistics.items()}

    def subtract(self, other: "ArmStatistics") -> dict[str, Metric]:
        """Return every metric minus that of another arm, paired."""
        return {
            name: self._estimate(resampling.subtract_paired(statistic, other.statistics[name]))
            for name, statistic in self.statistics.items()
        }

    def _estimate(self, statistic: Statistic) -> Metric:
        return resampling.estimate_metric(statistic, images=self.scenes, n=self.predictions)


def _count_by_scene(statistic: Statistic, scenes: npt.NDArray[np.intp]) -> Statistic:
    """Make a statistic of predictions one of scenes: each prediction counts as often as its scene."""
    return lambda weights: statistic(weights[:, scenes])


def join_seeds(by_seed: Sequence[Passes]) -> JoinedPasses:
    """Put the predictions of the seeds one behind the other; all are of the same scenes in the same order."""
    passes = {name: [prediction for passes in by_seed for prediction in passes[name]] for name in (OWN, ANNOTATED)}
    return JoinedPasses(passes, np.concatenate([np.arange(len(passes[OWN])) for passes in by_seed]))


def select_readable(arm: JoinedPasses, other: JoinedPasses) -> tuple[JoinedPasses, JoinedPasses]:
    """Return the predictions of both for the scenes that both answer readably, with either crops."""
    readable = [
        all(prediction.parsed for prediction in of_scene)
        for of_scene in zip(*(joined.passes[name] for joined in (arm, other) for name in (OWN, ANNOTATED)), strict=True)
    ]
    return arm.select(readable), other.select(readable)
