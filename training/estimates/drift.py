"""Drift of verdicts against a reference, without labels: for all traffic, per source, per day, and per both."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.wire.messages import VerdictEvent
from training.estimates.divergence import Divergence, DriftLevel, compare_counts
from training.estimates.features import RATES, SOURCE, TITLES
from training.estimates.verdict_counts import CountedVerdicts, VerdictCounts
from training.estimates.verdict_lines import SkippedLines, read_verdicts
from training.evaluation.summary import Json

DIGITS = 4
TOO_MANY_DAYS = "a day beyond the first 400"


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the traffic that a comparison is about; None stands for all sources or all days."""

    source: str | None
    day: str | None


def count_verdicts(
    verdicts: str, reference: str | None, *, until: datetime | None, since: datetime | None, skipped: SkippedLines
) -> tuple[CountedVerdicts, CountedVerdicts]:
    """Count the verdicts of the reference and of the window; `until` splits one stream into both."""
    before, after = CountedVerdicts(), CountedVerdicts()
    if reference:
        _count_all(read_verdicts(reference, skipped), lambda _: before, skipped)
    _count_all(
        (event for event in read_verdicts(verdicts, skipped) if not since or event.decided_at >= since),
        lambda event: before if until and event.decided_at < until else after,
        skipped,
    )
    return before, after


def measure_drift(reference: CountedVerdicts, window: CountedVerdicts) -> Json:
    """Compare the window with the reference in each scope; a source with itself, as far as the reference has it."""
    pairs = list(_list_pairs(reference, window))
    comparisons = sum(len(_list_features(scope, now)) for scope, _, now in pairs)
    scopes = [
        {
            "source": scope.source,
            "day": scope.day,
            "verdicts": now.verdicts,
            "reference": before.verdicts,
            "features": {
                name: _describe(_compare(name, before, now, comparisons)) for name in _list_features(scope, now)
            },
        }
        for scope, before, now in pairs
    ]
    return {
        "reference": _describe_counts(reference),
        "window": _describe_counts(window),
        "comparisons": comparisons,
        "scopes": scopes,
        "moved": _list_moved(scopes),
        "shares": _compute_shares(reference.sum_cells(), window.sum_cells()),
    }


def _count_all(
    events: Iterable[VerdictEvent], choose: Callable[[VerdictEvent], CountedVerdicts], skipped: SkippedLines
) -> None:
    for event in events:
        if not choose(event).add(event):
            skipped.add(event.verdict_id, TOO_MANY_DAYS)


def _list_pairs(
    reference: CountedVerdicts, window: CountedVerdicts
) -> Iterator[tuple[Scope, VerdictCounts, VerdictCounts]]:
    """Yield each scope with the counts of its reference and of its window."""
    everything = reference.sum_cells()
    yield Scope(None, None), everything, window.sum_cells()
    for day in sorted({day for _, day in window.cells}):
        yield Scope(None, day), everything, window.sum_cells(day=day)
    for source in sorted({source for source, _ in window.cells}):
        before = reference.sum_cells(source=source)
        yield Scope(source, None), before, window.sum_cells(source=source)
        for day in sorted(day for of_source, day in window.cells if of_source == source):
            yield Scope(source, day), before, window.cells[source, day]


def _list_features(scope: Scope, counts: VerdictCounts) -> list[str]:
    return [name for name in TITLES if name in counts.bins and not (name == SOURCE and scope.source)]


def _compare(name: str, before: VerdictCounts, now: VerdictCounts, comparisons: int) -> Divergence:
    return compare_counts(
        before.bins.get(name, {}),
        now.bins[name],
        sizes=(before.verdicts, now.verdicts),
        comparisons=comparisons,
        is_rate=name in RATES,
    )


def _describe(divergence: Divergence) -> Json:
    numbers = {name: round(getattr(divergence, name), DIGITS) for name in ("psi", "js", "noise", "before", "after")}
    return {**numbers, "moved": divergence.moved, "level": divergence.level.name.lower()}


def _describe_counts(counted: CountedVerdicts) -> Json:
    days = sorted(counted.days)
    return {
        "verdicts": sum(cell.verdicts for cell in counted.cells.values()),
        "first_day": days[0] if days else None,
        "last_day": days[-1] if days else None,
        "sources": sorted(counted.sources),
    }


def _list_moved(scopes: list[Json]) -> list[Json]:
    """List what is to be looked at or has moved, alarms first, the largest distance first among equals."""
    levels = {level.name.lower(): level for level in DriftLevel}
    found = [
        {"source": scope["source"], "day": scope["day"], "feature": name, **described}
        for scope in scopes
        for name, described in scope["features"].items()
        if levels[described["level"]] > DriftLevel.STEADY
    ]
    return sorted(found, key=lambda each: (-levels[each["level"]], -each["psi"]))


def _compute_shares(before: VerdictCounts, now: VerdictCounts) -> Json:
    """Compute the share of each bin among all verdicts, as a pair of reference and window."""
    return {
        name: {
            label: [
                round(counts.get(name, {}).get(label, 0) / max(verdicts, 1), DIGITS)
                for counts, verdicts in ((before.bins, before.verdicts), (now.bins, now.verdicts))
            ]
            for label in sorted({*before.bins.get(name, {}), *now.bins.get(name, {})})
        }
        for name in TITLES
    }
