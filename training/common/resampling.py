"""A figure over judged images with its 95 % interval: a seeded bootstrap over images, by weights instead of copies.

A statistic is asked for many resamples at once. It gets how often each image counts in each of them, and the same
resamples serve every figure over equally many images, so that the difference of two figures is paired.
Shapes: weights are [resamples, images]; a statistic gives [resamples], NaN where no image qualifies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 0
BLOCK_WEIGHTS = 500_000  # what a statistic is handed at once: small enough for the processor's cache
Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over `n` images with the bounds of its 95 % interval; all None where no image qualifies.

    The bounds alone are None where an interval makes no sense.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None:
            return "none to judge"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f}  [{self.low:.3f}, {self.high:.3f}]  n={self.n}"


def figure(statistic: Statistic, *, images: int, n: int | None = None) -> Figure:
    """The statistic over `images` images with its percentile interval; `n` of them qualify, all unless told."""
    value = float(statistic(np.ones((1, images)))[0]) if images else float("nan")
    if np.isnan(value):
        return Figure(None, None, None, 0)
    drawn = np.concatenate([statistic(weights) for weights in _blocks(images)])
    low, high = np.quantile(drawn[~np.isnan(drawn)], [0.025, 0.975])
    return Figure(value, float(low), float(high), images if n is None else n)


def mean(values: Floats, *, among: Floats | None = None) -> Figure:
    """The mean of `values` where `among` is 1."""
    n = len(values) if among is None else int(among.sum())
    return figure(mean_of(values, among=among), images=len(values), n=n)


def mean_of(values: Floats, *, among: Floats | None = None) -> Statistic:
    """The statistic behind `mean`, for figures that are made of several."""
    chosen = np.ones_like(values) if among is None else among
    return lambda weights: ratio(weights @ (values * chosen), weights @ chosen)


def difference(one: Statistic, other: Statistic) -> Statistic:
    """One minus the other over the same resamples."""
    return lambda weights: one(weights) - other(weights)


def apart(one: Statistic, other: Statistic, *, first: int) -> Statistic:
    """One minus the other over images of their own: the `first` weights are of one's, the rest of the other's."""
    return lambda weights: one(weights[:, :first]) - other(weights[:, first:])


def ratio(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is nothing."""
    divided: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return divided


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


def _blocks(images: int) -> Iterator[Floats]:
    counts = _counts(images)
    rows = max(1, BLOCK_WEIGHTS // images)
    for start in range(0, RESAMPLES, rows):
        yield counts[start : start + rows].astype(np.float64)


@lru_cache(maxsize=2)
def _counts(images: int) -> npt.NDArray[np.uint16]:
    """How often each image is drawn in each resample: kept small, as it is needed for each figure again."""
    rng = np.random.default_rng(SEED)
    counts = np.empty((RESAMPLES, images), np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, images, images), minlength=images)
    return counts
