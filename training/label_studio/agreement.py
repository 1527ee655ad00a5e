"""Agreement from counts, with 95 % intervals; pure, and as small for a million labels as for ten.

The interval is that of the posterior with a Jeffreys prior, drawn with a fixed seed. It covers as it should for few
labels too, also where all of them agree, for which a bootstrap would be sure of itself.
Shapes: counts are [cells]; a statistic maps [draws, cells] to [draws], NaN where it is not defined.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.wire.labels import LabelVerdict
from training.common.resampling import Floats, Metric, Statistic, divide

DRAWS = 4000
SEED = 0
VERDICTS = tuple(LabelVerdict)
Pair = tuple[LabelVerdict, LabelVerdict]


def estimate_kappa(pairs: Mapping[Pair, int]) -> Metric:
    """Return Cohen's kappa of the first two labels of cases; no value if there are none or all are of one class.

    Source: Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    return _estimate(_compute_kappa, [pairs.get((first, second), 0) for first in VERDICTS for second in VERDICTS])


def estimate_share(yes: int, total: int) -> Metric:
    """Return a share of `total`; no value if that is 0."""
    return _estimate(lambda counts: divide(counts[:, 0], counts.sum(axis=1)), [yes, total - yes])


def estimate_difference(first: tuple[int, int], second: tuple[int, int]) -> Metric:
    """Return the first share less the second, of separate labels; each is (yes, total). No value if a total is 0."""
    if not first[1] or not second[1]:
        return Metric(None, None, None, 0)
    rng = np.random.default_rng(SEED)
    drawn = [rng.beta(yes + 0.5, total - yes + 0.5, DRAWS) for yes, total in (first, second)]
    value = first[0] / first[1] - second[0] / second[1]
    return _bound(value, drawn[0] - drawn[1], first[1] + second[1])


def count_pairs(labels: Sequence[LabelVerdict], pairs: Counter[Pair]) -> None:
    """Count the first two labels of a case, the earlier one first; nothing if there are fewer."""
    if len(labels) > 1:
        pairs[labels[0], labels[1]] += 1


def _estimate(statistic: Statistic, counts: Sequence[int]) -> Metric:
    cells = np.asarray(counts, dtype=np.float64)
    value = float(statistic(cells[None, :])[0])
    if np.isnan(value):
        return Metric(None, None, None, 0)
    drawn = np.random.default_rng(SEED).dirichlet(cells + 1 / len(cells), DRAWS)
    return _bound(value, statistic(drawn), int(cells.sum()))


def _bound(value: float, drawn: Floats, n: int) -> Metric:
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Metric(value, min(float(low), value), max(float(high), value), n)


def _compute_kappa(counts: Floats) -> Floats:
    tables = counts.reshape(-1, len(VERDICTS), len(VERDICTS))
    total = tables.sum(axis=(1, 2))
    observed = divide(np.trace(tables, axis1=1, axis2=2), total)
    by_chance = divide((tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1), total**2)
    return divide(observed - by_chance, 1 - by_chance)
