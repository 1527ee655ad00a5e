"""Design-based means of values in [0, 1] with 95 % intervals; pure, for many samples at once.

A case weighs the inverse of the probability by which it was drawn (Hajek's ratio estimator). The interval is Jeffreys'
interval for weighted cases: two half observations, of value 0 and 1 and of the weight of a typical image of the
traffic, join the cases; a Beta distribution with the mean and the linearised variance of all of them has the bounds.
With equal weights it is Jeffreys' interval itself. The added weight stands for heavy cases that were not drawn: without
it, a sample whose few heavy cases are all right would be far too sure.
Shapes: values, weights and `among` are [..., cases]; a weight of 0 is a case that is not in the sample.
Source: J. Hajek (1971); E. Korn and B. Graubard, Confidence intervals for proportions with small expected number of
positive counts estimated from survey data (1998); L. Brown, T. Cai and A. DasGupta, Interval estimation for a binomial
proportion (2001).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from training.common.resampling import Floats, divide

TAIL = 0.025
EXACT = 1e-12
"""variance below which the mean is exact: every case of the traffic was drawn"""
HALVING_STEPS = 40
MOST_TIMES = 1e6

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class WeightedMeans:
    """Means with their 95 % intervals, NaN without cases; `effective` is the effective sample size.

    `effective` equal cases of a simple random sample would give the same interval; infinite for an exact mean.
    """

    value: Floats
    low: Floats
    high: Floats
    effective: Floats


def estimate_mean(values: Floats, weights: Floats, among: Bools, starts: Integers | None = None) -> WeightedMeans:
    """Estimate the mean of `values` over the traffic to which `among` applies.

    `starts` are the places where another image begins; cases of one image may be drawn together, and vary together.
    """
    counted = weights * among
    total = counted.sum(-1)
    # The variance of a Poisson sample: a case that was certain to be drawn adds none.
    spread = counted * np.maximum(counted - 1, 0)
    typical = divide(spread.sum(-1), total)
    mass = total + typical
    center = divide((counted * values).sum(-1) + typical / 2, mass)
    scores = np.sqrt(spread) * (values - center[..., None])
    if starts is not None:
        scores = np.add.reduceat(scores, starts, axis=-1)
    added = typical**2 * (center**2 + (1 - center) ** 2) / 2
    variance = divide((scores**2).sum(-1) + added, mass**2)
    return _build_interval(divide((counted * values).sum(-1), total), center, variance)


def _build_interval(value: Floats, center: Floats, variance: Floats) -> WeightedMeans:
    effective = np.divide(
        center * (1 - center), variance, out=np.full(np.shape(variance), np.inf), where=variance > EXACT
    )
    exact = ~np.isfinite(effective)
    n = np.where(exact, 1.0, effective)
    low = np.where(value <= EXACT, 0.0, beta.ppf(TAIL, center * n, (1 - center) * n))
    high = np.where(value >= 1 - EXACT, 1.0, beta.ppf(1 - TAIL, center * n, (1 - center) * n))
    unknown = np.isnan(value)
    low, high = np.where(exact, value, np.minimum(low, value)), np.where(exact, value, np.maximum(high, value))
    return WeightedMeans(value, low, high, np.where(unknown, np.nan, effective))


def find_times_to_halve(value: float, effective: float) -> float:
    """Return how many times as many cases make the interval half as wide."""
    if not np.isfinite(effective):
        return 1.0
    half = _measure_width(value, effective) / 2
    low, high = 1.0, MOST_TIMES
    for _ in range(HALVING_STEPS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _measure_width(value, effective * middle) > half else (low, middle)
    return high


def _measure_width(value: float, n: float) -> float:
    a, b = value * n + 0.5, (1 - value) * n + 0.5
    low, high = beta.ppf([TAIL, 1 - TAIL], a, b)
    return float((high if value < 1 else 1.0) - (low if value > 0 else 0.0))
