"""Distances between two distributions of counts, and whether they are more than noise; pure.

The population stability index (PSI) of two samples of the same distribution is about chi-squared with `bins - 1`
degrees of freedom, times 1/n + 1/m. A distance is an alarm only if it is beyond that noise, and large as well. Bins
that are rare in the smaller sample are joined, because that distribution is wrong for them.
Source: B. Yurdakul and J. Naranjo, Statistical properties of the population stability index (2020); J. Lin, Divergence
measures based on the Shannon entropy (1991).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.stats import chi2

from training.common.resampling import Floats

LEAST_VERDICTS = 50
"""on either side; with fewer there is no level"""
ERROR_RATE = 0.01
"""chance of one alarm or more over all comparisons of a report in which nothing moved"""
SMOOTHING = 0.5
"""of a count, added to each bin, so that an empty bin is no infinite distance"""
LEAST_EXPECTED = 5
"""verdicts that a bin holds in the smaller sample if nothing moved"""
RARE = "rare bins"
PSI_LEVELS = (0.1, 0.25)
"""from which a distribution is worth a look, and has moved: the levels of scorecard monitoring"""
ODDS_LEVELS = (1.5, 2.0)
"""the same for the odds of a rate: PSI hardly sees a rare flag that becomes three times as frequent"""


class DriftLevel(IntEnum):
    """`UNKNOWN`: too few verdicts; `STEADY`: noise, or too small to matter; `WATCH`: look at it; `ALARM`: it moved."""

    UNKNOWN = -1
    STEADY = 0
    WATCH = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class Divergence:
    """`noise` is the PSI that chance hardly exceeds; `js` is in bits, from 0 to 1.

    `moved` is the bin that adds most to the distance, `before` and `after` are its shares.
    """

    psi: float
    js: float
    noise: float
    level: DriftLevel
    moved: str = ""
    before: float = 0.0
    after: float = 0.0


def compare_counts(
    reference: Mapping[str, int], window: Mapping[str, int], *, sizes: tuple[int, int], comparisons: int, is_rate: bool
) -> Divergence:
    """Compare two samples; `sizes` are their numbers of verdicts, of which one may count in several bins.

    `comparisons` is the number of all comparisons of the report, among which chance has its pick.
    """
    least = DriftLevel.UNKNOWN if min(sizes) < LEAST_VERDICTS else DriftLevel.STEADY
    names, counts = _join_rare_bins(reference, window)
    if min(sizes) == 0 or len(names) < 2:
        return Divergence(0.0, 0.0, 0.0, least)
    p, q = counts / counts.sum(-1, keepdims=True)
    terms = (q - p) * np.log(q / p)
    psi, most = float(terms.sum()), int(np.argmax(terms))
    scale, degrees = 1 / sizes[0] + 1 / sizes[1], len(names) - 1
    noise = float(chi2.ppf(1 - ERROR_RATE / comparisons, degrees)) * scale
    if is_rate:
        odds = float(q[0] / (1 - q[0]) * (1 - p[0]) / p[0])
        reached = sum(max(odds, 1 / odds) >= bound for bound in ODDS_LEVELS)
    else:
        reached = sum(psi - degrees * scale >= bound for bound in PSI_LEVELS)
    level = DriftLevel(reached) if psi > noise and least is DriftLevel.STEADY else least
    return Divergence(psi, _measure_js(p, q), noise, level, names[most], float(p[most]), float(q[most]))


def _join_rare_bins(reference: Mapping[str, int], window: Mapping[str, int]) -> tuple[list[str], Floats]:
    """Return the names of the bins and their smoothed counts. Shapes: counts are [reference and window, bins]."""
    bins = {name: np.array([reference.get(name, 0), window.get(name, 0)], float) for name in {*reference, *window}}
    totals = sum(bins.values(), np.zeros(2))
    share_of_smaller = totals.min() / max(totals.sum(), 1)
    rare = sorted(name for name, counts in bins.items() if counts.sum() * share_of_smaller < LEAST_EXPECTED)
    if len(rare) > 1:
        bins[RARE] = sum((bins.pop(name) for name in rare), np.zeros(2))
    names = sorted(bins)
    return names, np.stack([bins[name] for name in names], -1) + SMOOTHING if names else np.zeros((2, 0))


def _measure_js(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    return float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)
