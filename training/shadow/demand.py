"""What a gate demands of a shadow report: hours of traffic, and a bound on the share of flips; pure."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

from training.evaluation.summary import Json

CONFIDENCE = 0.95
MOST_TIMES = 1000
"""as many events as there are, at most, are said to be missing"""


class ShadowDemand(BaseModel):
    """As a configuration writes it: `shadow: {hours: 24, max_flips: .02}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hours: Annotated[float, Field(gt=0, le=24 * 365)] = 24.0
    max_flips: Annotated[float, Field(gt=0, lt=1)] = 0.02


@dataclass(frozen=True, slots=True)
class ShadowJudgement:
    """The demand, what was measured with one-sided 95 % bounds, and whether it holds.

    `missing_events`: as many more would show the demand to hold if they agree as those that are there. `detail` says
    why it does not hold.
    """

    demand: str
    value: float
    low: float
    high: float
    events: int
    missing_events: int
    passed: bool
    detail: str


def judge_shadow(summary: Json, demand: ShadowDemand, *, champion: str, challenger: str) -> ShadowJudgement:
    """Judge the report of `zoomin-train shadow` about these two revisions."""
    flips = summary["flips"]
    events, hits = int(flips["n"]), int(flips["to_generated"]) + int(flips["to_real"])
    low, high = _bound_share(hits, events)
    problems = [
        f"the report is about the {name} {summary['pools'][name]['revision']}, not about {revision}"
        for name, revision in (("champion", champion), ("challenger", challenger))
        if summary["pools"][name]["revision"] != revision
    ]
    if summary["hours"] < demand.hours:
        problems.append(f"both judged {summary['hours']:g} hours of the traffic")
    missing = 0
    if high > demand.max_flips:
        missing = _count_missing(hits, events, demand.max_flips)
        problems.append("too few events" if missing else f"{hits} of {events} events flip")
    return ShadowJudgement(
        demand=f"at most {demand.max_flips:g} of the verdicts flip, over {demand.hours:g} hours of traffic or more",
        value=hits / events,
        low=low,
        high=high,
        events=events,
        missing_events=missing,
        passed=not problems,
        detail="; ".join(problems),
    )


def _bound_share(hits: float, events: float) -> tuple[float, float]:
    """Return the exact one-sided bounds of a share. Source: C. J. Clopper and E. S. Pearson (1934)."""
    low = float(beta.ppf(1 - CONFIDENCE, hits, events - hits + 1)) if hits else 0.0
    high = float(beta.ppf(CONFIDENCE, hits + 1, events - hits)) if hits < events else 1.0
    return low, high


def _count_missing(hits: int, events: int, max_flips: float) -> int:
    """Return how many more events with the same share of flips keep the bound; 0 if no reasonable number does."""
    share = hits / events
    few, many = events, events * MOST_TIMES
    if _bound_share(share * many, many)[1] > max_flips:
        return 0
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _bound_share(share * middle, middle)[1] <= max_flips else (middle, many)
    return many - events
