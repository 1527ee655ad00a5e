"""The range of P(generated) whose verdicts are marked uncertain, so that the others keep a promise. Pure.

The promise: on each side of the range at most a stated share of the published verdicts is wrong, with `CONFIDENCE` over
the choice of the images that the range is fitted to.
Source: C. Clopper and E. Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial
(1934).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from pipeline.verdict import Verdict
from training.common.resampling import Floats, divide
from training.evaluation.calibration_metrics import ScoredPredictions

CONFIDENCE = 0.9
"""that the promise holds on one side of the range; the next calibration is of other images"""
MOST_TIMES = 100
"""the largest multiple of the images at hand that `count_images_needed` tries"""
ROUNDED_TO = 1_000_000

Range = tuple[float, float]


def find_uncertain_range(scored: ScoredPredictions, *, threshold: float, risk: float) -> Range | None:
    """Return the narrowest closed range around the threshold outside of which the verdicts keep the promise.

    A side that cannot keep it is uncertain to its end; None when no verdict needs to be uncertain.
    """
    real, generated = _Side.build_both(scored, threshold)
    low, high = real.find_edge(risk), generated.find_edge(risk)
    low, high = 0.0 if low is None else low, 1.0 if high is None else -high
    if low == threshold == high:
        return None
    return math.floor(low * ROUNDED_TO) / ROUNDED_TO, math.ceil(high * ROUNDED_TO) / ROUNDED_TO


def count_images_needed(scored: ScoredPredictions, *, threshold: float, risk: float) -> dict[Verdict, int | None]:
    """Return how many images like these are needed at least, for each verdict that is always uncertain.

    None where a hundred times as many would not do.
    """
    sides = zip((Verdict.REAL, Verdict.GENERATED), _Side.build_both(scored, threshold), strict=True)
    times = {verdict: side.find_times_needed(risk) for verdict, side in sides if side.find_edge(risk) is None}
    return {verdict: None if factor is None else factor * len(scored.p) for verdict, factor in times.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The images on one side of `middle`, outermost first; P(generated) is negated for the side above the threshold.

    `following` holds the next inner value of each image, or `middle`; `wrong` and `right` count from the outermost
    image on, and add up to the effective sample size where images differ in weight. `odds` is the weight of a wrong
    verdict's class over that of a right one's.
    """

    middle: float
    p: Floats
    following: Floats
    wrong: Floats
    right: Floats
    odds: float

    @classmethod
    def build_both(cls, scored: ScoredPredictions, threshold: float) -> "tuple[_Side, _Side]":
        """Build the sides of the verdicts real and generated."""
        weights = [float(scored.shares[scored.generated == label].max(initial=0.0)) or 1.0 for label in (0, 1)]
        odds = weights[1] / weights[0]
        return cls._build(scored, scored.p, threshold, odds), cls._build(scored, -scored.p, -threshold, 1 / odds)

    @classmethod
    def _build(cls, scored: ScoredPredictions, p: Floats, middle: float, odds: float) -> "_Side":
        order = np.argsort(p)
        order = order[p[order] < middle]
        weights = scored.image_weights[order]
        # Kish's effective size is sum^2 / sum of squares, so each unit of weight counts sum / sum of squares images.
        per_weight = divide(np.cumsum(weights), np.cumsum(weights**2))
        right = np.cumsum(weights * scored.right[order]) * per_weight
        wrong = np.cumsum(weights * (1 - scored.right[order])) * per_weight
        following = np.append(p[order][1:], middle)[: len(order)]
        return cls(middle, p[order], following, wrong, right, odds)

    def find_edge(self, risk: float) -> float | None:
        """Return the innermost value outside of which the promise holds; None if it holds nowhere."""
        allowed = np.flatnonzero(self._is_allowed(risk))
        if not len(allowed):
            return None
        last = int(allowed[-1])
        return self.middle if last == len(self.p) - 1 else float(self.p[last] + self.following[last]) / 2

    def find_times_needed(self, risk: float) -> int | None:
        """Return how many times as many images of the same shares could keep the promise anywhere."""
        return next((times for times in range(2, MOST_TIMES + 1) if self._is_allowed(risk, times).any()), None)

    def _is_allowed(self, risk: float, times: int = 1) -> npt.NDArray[np.bool_]:
        """Return True for each image up to which the promise holds.

        Images of equal P(generated) are certain together or not at all: an edge lies only between different values.
        """
        # The bound holds for the share among the images at hand; the odds restate it for the traffic's mix of classes.
        bound: Floats = beta.ppf(CONFIDENCE, times * self.wrong + 1, times * self.right)
        bound = bound * self.odds / (bound * self.odds + 1 - bound)
        return np.asarray((bound <= risk) & (self.p < self.following))
