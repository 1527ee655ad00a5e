"""Weights of sampled cases: the inverse of how likely a case was drawn and looked at; pure.

Pending cases are not missing at random: annotators see one reason before the other. Within a cell, the cases of one
reason and one source, they are: those that were looked at stand for those that wait. A case with several reasons counts
as `control` if that is one of them. Cells with too few looked-at cases are joined over sources, then over reasons.
"""

from collections.abc import Sequence

import numpy as np

from training.common.resampling import Floats
from training.estimates.intervals import Bools, Integers

LEAST_LOOKED_AT = 5
"""cases of a cell that are enough to stand for its others"""


def compute_weights(inclusion: Floats, looked_at: Bools, levels: Sequence[Integers]) -> Floats:
    """Compute the weight of each case, 0 for one that waits; `levels` are the cells, the finest ones first."""
    base = 1 / inclusion
    rate = np.full(len(base), np.nan)
    for level, cells in enumerate(levels):
        remaining = np.isnan(rate)
        if not remaining.any():
            break
        least = LEAST_LOOKED_AT if level < len(levels) - 1 else 1
        drawn = np.bincount(cells, base * remaining)
        seen = np.bincount(cells, base * (remaining & looked_at))
        enough = np.bincount(cells, remaining & looked_at) >= least
        share = np.divide(seen, drawn, out=np.full(len(drawn), np.nan), where=enough & (drawn > 0))
        rate = np.where(remaining, share[cells], rate)
    weights: Floats = np.where(looked_at, base / np.where(np.isnan(rate), 1.0, rate), 0.0)
    return weights
