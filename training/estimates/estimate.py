"""Estimates of all quantities over sampled cases, for all traffic and for each of its groups."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.common.resampling import Floats
from training.estimates.calibration import BINS, estimate_ece, estimate_reliability
from training.estimates.intervals import Bools, WeightedMeans, estimate_mean, find_times_to_halve
from training.estimates.quantities import ECE, MEANS, UNDECIDED, Outcomes
from training.estimates.response import compute_weights
from training.estimates.sampled_cases import SampledCases
from training.evaluation.summary import Json
from training.labeling.adjudication import LabelState

LEAST_CASES = 30
"""cases that a number is about; fewer give none"""
DIGITS = 4
Group = Literal["source", "week", "revision"]


@dataclass(frozen=True, slots=True, eq=False)
class WeighedCases:
    """Sampled cases with their weights, which rest on all cases also where a group is selected."""

    cases: SampledCases
    weights: Floats

    @classmethod
    def build(cls, cases: SampledCases) -> "WeighedCases":
        return cls(cases, compute_weights(cases.inclusion, cases.looked_at, cases.number_cells()))

    def select(self, members: Bools) -> "WeighedCases":
        return WeighedCases(self.cases.select(members), self.weights[members])

    def split(self, group: Group) -> Iterator[tuple[str, "WeighedCases"]]:
        """Yield each group with its name, sorted."""
        column = getattr(self.cases, group)
        for name in np.unique(column):
            yield str(name), self.select(column == name)


def estimate_all(weighed: WeighedCases) -> Json:
    """Estimate each quantity of these cases; return them with the counts of cases, as the report has them."""
    cases, looked_at = weighed.cases, weighed.cases.looked_at
    labeled = weighed.select(looked_at)
    outcomes = _build_outcomes(labeled.cases, labeled.cases.truth, labeled.cases.decided)
    computed = dict(_estimate_quantities(labeled, outcomes))
    ranges = _compute_ranges(labeled)
    return {
        "cases": {
            "sampled": len(cases),
            **{str(state): int((cases.state == state).sum()) for state in LabelState},
            "response_rate": _round(looked_at.mean() if len(cases) else math.nan),
        },
        "quantities": {
            name: _describe(means, count, labeled, range_=None if name == UNDECIDED else ranges[name])
            for name, (means, count) in computed.items()
        },
        "reliability": _describe_reliability(labeled, outcomes),
    }


def _estimate_quantities(labeled: WeighedCases, outcomes: Outcomes) -> Iterator[tuple[str, tuple[WeightedMeans, int]]]:
    """Yield each quantity's name with its estimate and the number of cases that it is about."""
    starts = labeled.cases.find_image_starts() if len(labeled.cases) else None
    for quantity in MEANS:
        among = quantity.among(outcomes)
        yield (
            quantity.name,
            (estimate_mean(quantity.values(outcomes), labeled.weights, among, starts), int(among.sum())),
        )
    decided = outcomes.decided
    ece = estimate_ece(outcomes.p_generated, outcomes.truth, labeled.weights, decided)
    yield ECE, (ece, int(decided.sum()))


def _compute_ranges(labeled: WeighedCases) -> dict[str, tuple[float, float]]:
    """Compute between which values each quantity lies if undecided cases are all real, generated, right or wrong."""
    cases = labeled.cases
    everyone = np.ones(len(cases), bool)
    verdicts = cases.generated.astype(float)
    values: dict[str, list[float]] = {}
    for assumed in (np.zeros(len(cases)), np.ones(len(cases)), verdicts, 1 - verdicts):
        outcomes = _build_outcomes(cases, np.where(cases.decided, cases.truth, assumed), everyone)
        for name, (means, _) in _estimate_quantities(labeled, outcomes):
            values.setdefault(name, []).append(float(means.value))
    return {name: (min(each), max(each)) for name, each in values.items()}


def _build_outcomes(cases: SampledCases, truth: Floats, decided: Bools) -> Outcomes:
    return Outcomes(cases.p_generated, cases.generated, cases.uncertain, cases.blind, truth, decided)


def _describe(means: WeightedMeans, count: int, labeled: WeighedCases, *, range_: tuple[float, float] | None) -> Json:
    """Describe one estimate; without its numbers if it is about too few cases."""
    described: Json = {"value": None, "low": None, "high": None, "n": count, "effective": None, "range": None}
    share = count / len(labeled.cases) if len(labeled.cases) else 0.0
    if count < LEAST_CASES:
        missing = math.ceil((LEAST_CASES - count) / share) if share else None
        return {**described, "labels_to_estimate": missing, "labels_to_halve": None}
    value, effective = float(means.value), float(means.effective)
    times = find_times_to_halve(value, effective)
    return {
        "value": _round(value),
        "low": _round(float(means.low)),
        "high": _round(float(means.high)),
        "n": count,
        "effective": round(effective, 1) if math.isfinite(effective) else None,
        "range": [_round(bound) for bound in range_] if range_ else None,
        "labels_to_estimate": 0,
        "labels_to_halve": math.ceil((times - 1) * len(labeled.cases)),
    }


def _describe_reliability(labeled: WeighedCases, outcomes: Outcomes) -> list[Json]:
    """Describe the bins of P(generated); none if too few cases are decided."""
    decided = outcomes.decided
    if decided.sum() < LEAST_CASES:
        return []
    rows = estimate_reliability(outcomes.p_generated, outcomes.truth, labeled.weights, decided)
    counts = np.bincount(np.minimum((outcomes.p_generated[decided] * BINS).astype(int), BINS - 1), minlength=BINS)
    return [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "n": int(counts[number]),
            "predicted": _round(float(predicted[0])),
            **dict(zip(("value", "low", "high"), (_round(float(bound)) for bound in observed), strict=True)),
        }
        for number, predicted, observed in rows
    ]


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), DIGITS)
