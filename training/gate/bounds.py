"""Measurements with one-sided 95 % bounds that also hold for few images, and the images that a demand lacks. Pure.

A bootstrap of paired differences has no width where the models agree on every image. So differences of shares get the
score interval for paired shares, single shares the exact binomial one, and ratios alone the bootstrap.
Source: T. Tango, Statistics in Medicine 17 (1998) 891-908; C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from scipy.optimize import brentq
from scipy.stats import beta, norm

from training.common import resampling
from training.common.resampling import Floats, Statistic

CONFIDENCE = 0.95
_Z = float(norm.ppf(CONFIDENCE))
MOST_TIMES = 1000
"""as many images as there are, at most, are said to be missing: a measured value so near the limit fails by itself"""
_EDGE = 1e-9

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """A value over `images` images, and the bounds it would have over any number of images that differ as these."""

    value: float
    images: int
    bound_at: Callable[[float], Bounds]

    @property
    def bounds(self) -> Bounds:
        return self.bound_at(float(self.images))

    def count_missing(self, holds: Callable[[Bounds], bool]) -> int:
        """Return how many more images would make `holds` true; 0 where no reasonable number would."""

        def is_enough(images: float) -> bool:
            return holds(self.bound_at(images))

        most = self.images * MOST_TIMES
        if is_enough(self.images) or not is_enough(most):
            return 0
        few, many = self.images, most
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (few, middle) if is_enough(middle) else (middle, many)
        return many - self.images


def measure_difference(ours: Floats, theirs: Floats) -> Measurement:
    """Return the share of `ours` minus that of `theirs`, both marked 1 or 0 over the same images."""
    images = len(ours)
    gained, lost = int(((ours > 0) & (theirs == 0)).sum()), int(((ours == 0) & (theirs > 0)).sum())

    def bound_at(number: float) -> Bounds:
        return bound_paired_difference(gained / images, lost / images, number)

    return Measurement((gained - lost) / images, images, bound_at)


def bound_paired_difference(gained: float, lost: float, images: float) -> Bounds:
    """Return Tango's score bounds of `gained - lost`, the shares of images on which one side alone is marked."""

    def score(difference: float) -> float:
        """Return the score statistic of a true difference; it falls as the difference rises."""
        linear = -gained - lost + (2 - gained + lost) * difference
        constant = -lost * difference * (1 - difference)
        share = (sqrt(max(0.0, linear**2 - 8 * constant)) - linear) / 4
        variance = max(2 * share + difference * (1 - difference), _EDGE / images)
        return sqrt(images) * (gained - lost - difference) / sqrt(variance)

    value = gained - lost
    low = -1.0 if value <= -1 + _EDGE else brentq(lambda d: score(d) - _Z, -1 + _EDGE, value)
    high = 1.0 if value >= 1 - _EDGE else brentq(lambda d: score(d) + _Z, value, 1 - _EDGE)
    return float(low), float(high)


def measure_share(marked: Floats) -> Measurement:
    """Return the share that is marked 1, with exact binomial bounds."""
    return measure_count(int(marked.sum()), len(marked))


def measure_count(marked: int, images: int) -> Measurement:
    """Return the share of `marked` images, with exact binomial bounds."""
    share = marked / images

    def bound_at(number: float) -> Bounds:
        hits = share * number
        low = beta.ppf(1 - CONFIDENCE, hits, number - hits + 1) if hits else 0.0
        high = beta.ppf(CONFIDENCE, hits + 1, number - hits) if hits < number else 1.0
        return float(low), float(high)

    return Measurement(share, images, bound_at)


def measure_statistic(statistic: Statistic, images: int) -> Measurement | None:
    """Return a statistic with bootstrap bounds, which shrink with the root of the images; None where none qualifies."""
    metric = resampling.estimate_metric(statistic, images=images, quantiles=(1 - CONFIDENCE, CONFIDENCE))
    if metric.value is None or metric.low is None or metric.high is None:
        return None
    value, low, high = metric.value, metric.low, metric.high

    def bound_at(number: float) -> Bounds:
        shrunk = sqrt(images / number)
        return value - (value - low) * shrunk, value + (high - value) * shrunk

    return Measurement(value, images, bound_at)
