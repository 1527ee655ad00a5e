from collections import Counter

import numpy as np
import pytest

from pipeline.wire.labels import LabelVerdict
from training.common.resampling import Metric
from training.label_studio.agreement import (
    VERDICTS,
    Pair,
    count_pairs,
    estimate_difference,
    estimate_kappa,
    estimate_share,
)

REAL, GENERATED, UNSURE = LabelVerdict.REAL, LabelVerdict.GENERATED, LabelVerdict.UNSURE


def test_kappa_is_that_of_the_textbook() -> None:
    # Two raters, 50 grants: 20 both yes, 15 both no, 5 and 10 apart; kappa .4.
    pairs = {(REAL, REAL): 20, (REAL, GENERATED): 5, (GENERATED, REAL): 10, (GENERATED, GENERATED): 15}
    kappa = estimate_kappa(pairs)
    assert kappa.value == pytest.approx(0.4)
    assert kappa.n == 50
    assert kappa.low is not None
    assert kappa.high is not None
    assert kappa.low < 0.2 < 0.6 < kappa.high


def test_perfect_agreement_of_few_is_not_certain() -> None:
    kappa = estimate_kappa({(REAL, REAL): 3, (GENERATED, GENERATED): 3})
    assert (kappa.value, kappa.high) == (1.0, 1.0)
    assert kappa.low is not None
    assert kappa.low < 0.9


@pytest.mark.parametrize("pairs", [{}, {(REAL, REAL): 9}], ids=["none", "one class"])
def test_kappa_without_meaning_has_no_value(pairs: dict[Pair, int]) -> None:
    assert estimate_kappa(pairs) == Metric(None, None, None, 0)


def test_the_interval_of_kappa_covers_the_truth() -> None:
    rng = np.random.default_rng(7)
    # Truth: shares .5, .4, .1; the second repeats the first with probability .7 and else draws anew; kappa is .7.
    shares = np.array([0.5, 0.4, 0.1])
    table = 0.7 * np.diag(shares) + 0.3 * np.outer(shares, shares)
    covered = 0
    for _ in range(100):
        counts = rng.multinomial(120, table.ravel())
        cells = [(first, second) for first in VERDICTS for second in VERDICTS]
        kappa = estimate_kappa({cell: int(count) for cell, count in zip(cells, counts, strict=True)})
        assert kappa.low is not None
        assert kappa.high is not None
        covered += kappa.low <= 0.7 <= kappa.high
    assert 90 <= covered <= 99


def test_shares_and_their_difference() -> None:
    share = estimate_share(9, 10)
    assert share.value == 0.9
    assert share.low is not None
    assert share.low == pytest.approx(0.61, abs=0.02)  # Jeffreys: qbeta(.025, 9.5, 1.5)
    assert estimate_share(0, 0).value is None
    gap = estimate_difference((90, 100), (70, 100))
    assert gap.value == pytest.approx(0.2)
    assert gap.low is not None
    assert gap.low > 0.08
    assert estimate_difference((1, 1), (0, 0)).value is None


def test_the_first_two_labels_of_a_case_are_a_pair() -> None:
    pairs: Counter[Pair] = Counter()
    for labels in ([], [REAL], [REAL, UNSURE], [GENERATED, REAL, REAL]):
        count_pairs(labels, pairs)
    assert pairs == {(REAL, UNSURE): 1, (GENERATED, REAL): 1}
