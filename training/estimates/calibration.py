"""Calibration on live traffic: reliability by bins of P(generated), and the expected calibration error; pure.

The error over bins is a sum of absolute values, so noise makes it larger than it is: with 60 cases a perfect model
seems to be off by .09. Its estimate and bounds are therefore found by inversion: the true gaps are taken as a multiple
of the gaps that were seen, and the multiples are kept under which the seen error is neither too large nor too small.
Shapes: probabilities, truths and weights are [..., cases].
"""

import numpy as np

from training.common.resampling import Floats, divide
from training.estimates.intervals import TAIL, Bools, WeightedMeans, estimate_mean

BINS = 10
"""of equal width and fixed, so that months can be compared"""
DRAWS = 100
STEPS = 12
_NOISE = np.random.default_rng(0).normal(size=(DRAWS, BINS))


def find_bins(p: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return the number of the bin of each probability."""
    return np.minimum((p * BINS).astype(np.intp), BINS - 1)


def estimate_ece(p: Floats, truth: Floats, weights: Floats, among: Bools) -> WeightedMeans:
    """Estimate the expected calibration error; its effective sample size is that of the mean of P(generated)."""
    gaps, variances = _measure_gaps(p, truth, weights * among)
    seen, deviations = np.abs(gaps).sum(-1), np.sqrt(variances)
    widest = divide(4 * seen + 5 * deviations.sum(-1), seen)
    low, middle, high = (
        seen * _find_multiple(gaps, deviations, seen, widest, share) for share in (1 - TAIL, 0.5, TAIL)
    )
    effective = estimate_mean(p, weights, among).effective
    return WeightedMeans(middle, np.minimum(low, middle), np.minimum(high, 1.0), effective)


def estimate_reliability(p: Floats, truth: Floats, weights: Floats, among: Bools) -> list[tuple[int, Floats, Floats]]:
    """Return for each bin with cases its number, and predicted and observed share with bounds, of one sample.

    Shapes: predicted is [1], observed is [value, low, high].
    """
    bins = find_bins(p)
    rows = []
    for number in range(BINS):
        members = among & (bins == number)
        if members.any():
            predicted = estimate_mean(p, weights, members).value
            observed = estimate_mean(truth, weights, members)
            rows.append((number, np.atleast_1d(predicted), np.array([observed.value, observed.low, observed.high])))
    return rows


def _measure_gaps(p: Floats, truth: Floats, counted: Floats) -> tuple[Floats, Floats]:
    """Measure in each bin predicted minus observed, as a share of all traffic, and its variance.

    Shapes: both are [..., bins].
    """
    total = counted.sum(-1)
    spread = counted * np.maximum(counted - 1, 0)
    typical = divide(spread.sum(-1), total)
    bins = find_bins(p)
    members = [bins == number for number in range(BINS)]
    mass = np.stack([(counted * inside).sum(-1) for inside in members], -1)
    gaps = np.stack([(counted * (p - truth) * inside).sum(-1) for inside in members], -1)
    generated = np.stack([(counted * truth * inside).sum(-1) for inside in members], -1)
    spreads = np.stack([(spread * inside).sum(-1) for inside in members], -1)
    # One more case, half of it generated: a bin where all cases agree is not free of noise.
    share = divide(generated + typical[..., None] / 2, mass + typical[..., None])
    noise = (spreads + typical[..., None] ** 2 / 2) * np.nan_to_num(share * (1 - share))
    gaps = divide(gaps, total[..., None])
    # The share of the traffic in each bin is estimated too; it matters as far as bins are off by different amounts.
    error = np.abs(gaps).sum(-1, keepdims=True)
    offs = np.abs(divide(gaps * total[..., None], mass))
    noise += spreads * np.nan_to_num(offs - error) ** 2
    return gaps, divide(noise, total[..., None] ** 2)


def _find_multiple(gaps: Floats, deviations: Floats, seen: Floats, widest: Floats, share: float) -> Floats:
    """Return the multiple of the gaps under which `share` of the samples show a smaller error than the seen one."""
    low, high = np.zeros_like(widest), widest
    for _ in range(STEPS):
        middle = (low + high) / 2
        drawn = middle[..., None, None] * gaps[..., None, :] + deviations[..., None, :] * _NOISE
        below = (np.abs(drawn).sum(-1) <= seen[..., None]).mean(-1) >= share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low
