"""The paper's figures for a set of judged images, each with a 95 % bootstrap interval, and the bound on a view's judge.

Every image counts in every figure: an answer that could not be read is wrong, never left out.
Source: paper section 4.1; equations 2 and 3.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.verdict import BoundingBox, Verdict

RESAMPLES = 2000
SEED = 0
Floats = npt.NDArray[np.float64]
Overlap = Callable[[Sequence[BoundingBox], Sequence[BoundingBox]], float | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """One image: its truth, both verdicts (None where the answer could not be read), and the model's regions."""

    label: Verdict
    v1: Verdict | None
    v2: Verdict | None
    regions: tuple[BoundingBox, ...]
    annotated: tuple[BoundingBox, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `n` images with the bounds of its 95 % interval; all None where no image qualifies."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "none to judge"
        return f"{self.value:.3f}  [{self.low:.3f}, {self.high:.3f}]  n={self.n}"


def figures(own: Sequence[Judged]) -> dict[str, Figure]:
    """What one pass with the model's own boxes shows."""
    first = _right([one.v1 for one in own], own)
    second = _right([one.v2 for one in own], own)
    changed = np.array([one.v1 is not one.v2 for one in own], float)
    unparsed = np.array([one.v1 is None or one.v2 is None for one in own], float)
    generated = np.array([one.label is Verdict.GENERATED for one in own], float)
    return {
        "acc": mean(second),
        "i_acc": mean(first),
        "zoom_gain": mean(second - first),
        "c_acc": mean(second, among=changed),
        "c_cases": mean(changed),
        "iou": _overlap(iou_of_regions, own),
        "iou_recall": _overlap(iou_recall, own),
        "iou_f1": _overlap(iou_f1, own),
        "tpr": mean(second, among=generated),
        "tnr": mean(second, among=1 - generated),
        "unparsed": mean(unparsed),
        "boxes": mean(np.array([len(one.regions) for one in own], float)),
    }


def accuracy(judged: Sequence[Judged]) -> Figure:
    """Acc: the share of final verdicts that are right."""
    return mean(_right([one.v2 for one in judged], judged))


def advantage(own: Sequence[Judged], other: Sequence[Judged]) -> Figure:
    """Acc of one pass minus Acc of another over the same images, paired."""
    return mean(_right([one.v2 for one in own], own) - _right([one.v2 for one in other], other))


def iou_of_regions(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Equation 2: the mean over the model's boxes of the best overlap with an annotated one.

    0 where one side is empty, None where both are: there was nothing to find and nothing was named.
    """
    if not regions and not annotated:
        return None
    if not regions or not annotated:
        return 0.0
    return float(np.mean([max(geometry.iou(box, truth) for truth in annotated) for box in regions]))


def iou_recall(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Equation 2 the other way round: the mean over annotated boxes, so that a region left out costs."""
    return iou_of_regions(annotated, regions)


def iou_f1(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """The harmonic mean of both: neither few boxes nor many earn it."""
    precise, whole = iou_of_regions(regions, annotated), iou_recall(regions, annotated)
    if precise is None or whole is None:
        return None
    return 2 * precise * whole / (precise + whole) if precise + whole else 0.0


IOU_READINGS: Mapping[str, Overlap] = {"eq2": iou_of_regions, "recall": iou_recall, "f1": iou_f1}
"""what "IoU of the model's boxes" may mean; rewards and reports take it from here"""


def mean(values: Floats, *, among: Floats | None = None) -> Figure:
    """The mean of `values` where `among` is 1, with the percentile interval of a bootstrap over all images."""
    chosen = np.ones_like(values) if among is None else among
    n = int(chosen.sum())
    if n == 0:
        return Figure(None, None, None, 0)
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(values), (RESAMPLES, len(values)))
    totals = chosen[draws].sum(1)
    # A resample without any chosen image has no mean.
    means = (values * chosen)[draws].sum(1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(float((values * chosen).sum() / n), float(low), float(high), n)


def view_bound(cue: float) -> float:
    """The accuracy that no judge of the view alone can pass: Phi(cue / 2).

    Labels are balanced, and a view tells them apart by its tone alone (artifacts lie above its Nyquist limit; grounds,
    decoys and details are drawn from the same distributions for both). The tone is drawn from N(-d/2, 1) for real and
    N(+d/2, 1) for generated scenes, d being the cue. The likelihood ratio exp(d t) grows with the tone t, so the best
    rule is a threshold, by symmetry at 0, and it is right with P(N(d/2, 1) > 0) = Phi(d/2) on either class. A judge
    reads t only through what the painting leaves of it, so the bound holds for every judge; a finite sample may pass it
    by chance, which is what the interval beside I-Acc is for.
    """
    return 0.5 * (1 + math.erf(cue / 2 / math.sqrt(2)))


def as_json(shown: Mapping[str, Figure]) -> dict[str, dict[str, float | int | None]]:
    """Each figure as value, low, high, n, rounded to four digits."""
    return {
        name: {
            "value": _rounded(figure.value),
            "low": _rounded(figure.low),
            "high": _rounded(figure.high),
            "n": figure.n,
        }
        for name, figure in shown.items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _right(verdicts: Sequence[Verdict | None], judged: Sequence[Judged]) -> Floats:
    return np.array([verdict is one.label for verdict, one in zip(verdicts, judged, strict=True)], float)


def _overlap(reading: Overlap, judged: Sequence[Judged]) -> Figure:
    each = [reading(one.regions, one.annotated) for one in judged]
    return mean(np.array([one or 0.0 for one in each]), among=np.array([one is not None for one in each], float))
