"""Two pools over the same events: agreement, flips, what moved in P(generated), and the time of an event; pure."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import beta

from training.common.resampling import Floats
from training.estimates.divergence import compare_counts
from training.estimates.intervals import Bools, Integers
from training.evaluation.summary import Json
from training.shadow.judged_events import JudgedEvents

QUANTILES: Mapping[str, float] = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
SECONDS: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
BINS = 20
TAIL = 0.025
DIGITS = 4
LONGEST_GAP_S = 3600.0
"""without a verdict of both that still counts as time in which both judged"""


def compare_pools(champion: JudgedEvents, challenger: JudgedEvents) -> Json:
    """Compare the verdicts of both on the same events, row by row; there is at least one."""
    to_generated = ~champion.generated & challenger.generated
    to_real = champion.generated & ~challenger.generated
    return {
        "joined": len(champion),
        "hours": round(measure_hours(challenger.written_us), 3),
        "agreement": estimate_share(champion.generated == challenger.generated),
        "flips": {
            **estimate_share(to_generated | to_real),
            "to_generated": int(to_generated.sum()),
            "to_real": int(to_real.sum()),
        },
        "generated": _compare_shares(champion.generated, challenger.generated),
        "uncertain": _compare_shares(champion.uncertain, challenger.uncertain),
        "p_generated": _compare_probabilities(champion.p_generated, challenger.p_generated),
        "seconds": {
            "champion": _compute_quantiles(champion.seconds, SECONDS),
            "challenger": _compute_quantiles(challenger.seconds, SECONDS),
        },
    }


def estimate_share(marked: Bools) -> Json:
    """Estimate a share with its exact binomial 95 % interval (Clopper and Pearson)."""
    n, hits = len(marked), int(marked.sum())
    low = float(beta.ppf(TAIL, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - TAIL, hits + 1, n - hits)) if hits < n else 1.0
    return {"value": round(hits / n, DIGITS), "low": round(low, DIGITS), "high": round(high, DIGITS), "n": n}


def measure_hours(times_us: Integers) -> float:
    """Return the hours from the first to the last event without the gaps that are longer than an hour."""
    gaps_s = np.diff(np.sort(times_us)) / 1e6
    return float(gaps_s[gaps_s <= LONGEST_GAP_S].sum()) / 3600


def _compare_shares(champion: Bools, challenger: Bools) -> Json:
    return {
        "champion": round(float(champion.mean()), DIGITS),
        "challenger": round(float(challenger.mean()), DIGITS),
        "difference": round(float(challenger.mean() - champion.mean()), DIGITS),
    }


def _compare_probabilities(champion: Floats, challenger: Floats) -> Json:
    """Describe P(generated) of both, its change event by event, and the distance of the two distributions."""
    counts = [_count_bins(values) for values in (champion, challenger)]
    sizes = (len(champion), len(challenger))
    divergence = compare_counts(*counts, sizes=sizes, comparisons=1, is_rate=False)
    return {
        "champion": _compute_quantiles(champion, QUANTILES),
        "challenger": _compute_quantiles(challenger, QUANTILES),
        "change": _compute_quantiles(challenger - champion, QUANTILES),
        "mean_change": round(float((challenger - champion).mean()), DIGITS),
        "bins": {name: [counts[0].get(name, 0), counts[1].get(name, 0)] for name in sorted({*counts[0], *counts[1]})},
        "psi": round(divergence.psi, DIGITS),
        "js": round(divergence.js, DIGITS),
        "noise": round(divergence.noise, DIGITS),
        "level": divergence.level.name.lower(),
    }


def _count_bins(values: Floats) -> dict[str, int]:
    numbers, counts = np.unique(np.minimum((values * BINS).astype(int), BINS - 1), return_counts=True)
    return {f"{number / BINS:.2f}": int(count) for number, count in zip(numbers, counts, strict=True)}


def _compute_quantiles(values: Floats, quantiles: Mapping[str, float]) -> Json:
    computed = np.quantile(values, list(quantiles.values()))
    return {name: round(float(value), DIGITS) for name, value in zip(quantiles, computed, strict=True)}
