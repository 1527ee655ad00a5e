"""A finding of the gate, and the row that follows from it: whether the bound keeps the limit, and what is missing."""

from dataclasses import dataclass

from training.gate.bounds import Bounds, Measurement
from training.gate.demands import Demands
from training.gate.evidence import Fault
from training.gate.table import GateRow, Interval, Limit, Result, RowName


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A demand with what was measured for it, or the fault that kept it from being measured.

    `is_void`: the demand is about nothing that was there, so it holds. `number` was counted, not estimated.
    """

    demand: str
    limit: Limit
    measured: Measurement | None = None
    images: int = 0
    fault: Fault | None = None
    number: float | None = None
    is_void: bool = False
    detail: str = ""


def demand_above(value: float) -> Limit:
    return Limit(bound="above", value=value)


def demand_at_most(value: float) -> Limit:
    return Limit(bound="at_most", value=value)


def keep_limit(limit: Limit, bounds: Bounds) -> bool:
    """Return whether the bounds show that the limit is kept."""
    low, high = bounds
    return low > limit.value if limit.bound == "above" else high <= limit.value


def build_row(name: RowName, finding: Finding, demands: Demands) -> GateRow:
    """Build the row; one that fails is waived where the demands say so, with their reason."""
    limit, measured = finding.limit, finding.measured
    interval, is_kept, missing, detail = None, finding.is_void, 0, finding.detail
    if finding.fault:
        missing, detail = finding.fault.missing_images, finding.fault.sentence
    elif measured:
        low, high = measured.bounds
        interval = Interval(value=_round(measured.value), low=_round(low), high=_round(high))
        is_kept = keep_limit(limit, (low, high))
        missing = 0 if is_kept else measured.count_missing(lambda bounds: keep_limit(limit, bounds))
    elif finding.number is not None:
        interval = Interval(value=_round(finding.number))
        is_kept = keep_limit(limit, (finding.number, finding.number))
    result: Result = "passed" if is_kept else "failed"
    if result == "failed" and name in demands.waive:
        result, detail = "waived", "; ".join(filter(None, (detail, f"waived: {demands.waive[name]}")))
    return GateRow(
        name=name,
        demand=finding.demand,
        limit=limit,
        measured=interval,
        images=measured.images if measured else finding.images,
        missing_images=missing,
        result=result,
        detail=detail,
    )


def _round(value: float) -> float:
    return round(value, 4)
