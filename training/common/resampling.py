"""Metrics over images with 95 % intervals, by a seeded bootstrap that weights images instead of copying them.

A statistic is computed for many resamples at once, from how often each image was drawn in each of them. All metrics
over equally many images use the same resamples, so the difference of two metrics is paired.
Shapes: weights are [resamples, images]; a statistic returns [resamples], NaN where no image qualifies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 0
TWO_SIDED = (0.025, 0.975)
BLOCK_WEIGHTS = 500_000  # in one call of a statistic: small enough for the CPU's cache
Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """A value over `n` images with the bounds of its 95 % interval; all are None if no image qualifies.

    Only the bounds are None if an interval makes no sense.
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


def estimate_metric(
    statistic: Statistic,
    *,
    images: int,
    n: int | None = None,
    image_weights: Floats | None = None,
    quantiles: tuple[float, float] = TWO_SIDED,
) -> Metric:
    """Return the statistic over `images` images with its percentile interval; `n` of them qualify, by default all.

    Resamples draw images with their own weights, so the interval is as wide as the effective sample size asks for.
    `quantiles` of the resamples are the bounds.
    """
    own = np.ones(images) if image_weights is None else image_weights
    value = float(statistic(own[None])[0]) if images else float("nan")
    if np.isnan(value):
        return Metric(None, None, None, 0)
    blocks = _draw_blocks(images)
    drawn = np.concatenate([statistic(block if image_weights is None else block * own) for block in blocks])
    low, high = np.quantile(drawn[~np.isnan(drawn)], quantiles)
    return Metric(value, float(low), float(high), images if n is None else n)


def estimate_mean(values: Floats, *, among: Floats | None = None, image_weights: Floats | None = None) -> Metric:
    """Return the mean of `values` where `among` is 1."""
    n = len(values) if among is None else int(among.sum())
    statistic = build_mean(values, among=among)
    return estimate_metric(statistic, images=len(values), n=n, image_weights=image_weights)


def compute_effective_size(image_weights: Floats) -> float:
    """Return how many images of equal weight would tell as much about a mean: (sum of weights)^2 / sum of squares.

    Source: L. Kish, Survey sampling (1965).
    """
    squares = float(image_weights @ image_weights)
    return float(image_weights.sum()) ** 2 / squares if squares else 0.0


def build_mean(values: Floats, *, among: Floats | None = None) -> Statistic:
    """Build the statistic of `estimate_mean`, for metrics that combine several."""
    chosen = np.ones_like(values) if among is None else among
    return lambda weights: divide(weights @ (values * chosen), weights @ chosen)


def subtract_paired(a: Statistic, b: Statistic) -> Statistic:
    """Build the statistic `a - b` over the same images and resamples."""
    return lambda weights: a(weights) - b(weights)


def subtract_unpaired(a: Statistic, b: Statistic, *, first: int) -> Statistic:
    """Build the statistic `a - b` over separate images: the `first` weights are those of a, the rest of b."""
    return lambda weights: a(weights[:, :first]) - b(weights[:, first:])


def divide(part: Floats, whole: Floats) -> Floats:
    """Divide element by element; NaN where the whole is zero."""
    divided: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return divided


def convert_to_json(metrics: Mapping[str, Metric]) -> dict[str, dict[str, float | int | None]]:
    """Convert each metric to value, low, high and n, rounded to four digits."""
    return {name: asdict(metric) for name, metric in round_metrics(metrics).items()}


def round_metrics(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Round values and bounds to four digits."""
    return {
        name: Metric(_round(metric.value), _round(metric.low), _round(metric.high), metric.n)
        for name, metric in metrics.items()
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _draw_blocks(images: int) -> Iterator[Floats]:
    counts = _draw_counts(images)
    rows = max(1, BLOCK_WEIGHTS // images)
    for start in range(0, RESAMPLES, rows):
        yield counts[start : start + rows].astype(np.float64)


@lru_cache(maxsize=2)
def _draw_counts(images: int) -> npt.NDArray[np.uint16]:
    """Draw how often each image counts in each resample; the counts are cached because every metric needs them."""
    rng = np.random.default_rng(SEED)
    counts = np.empty((RESAMPLES, images), np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, images, images), minlength=images)
    return counts
