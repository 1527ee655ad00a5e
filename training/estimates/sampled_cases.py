"""Sampled cases as columns, and what of a labeling bucket enters no estimate, counted by its reason.

A label that came as a review counts for training alone: appeals pick the wrong verdicts, so a case that was drawn by
chance must not become decided by one.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelCase, SampleReason
from training.common.resampling import Floats
from training.estimates.event_hash import EventHashes, hash_event
from training.estimates.intervals import Bools, Integers
from training.labeling.adjudication import LabelState
from training.labeling.bucket import Unreadable
from training.labeling.cases import AdjudicatedCase

UNREADABLE, UNREADABLE_LABEL, ORPHAN = "case_unreadable", "label_unreadable", "label_without_case"
REVIEW, DELETED, EARLIER, NOT_DRAWN = "review", "image_deleted", "before_since", "inclusion_probability_0"
MOST_EXAMPLES = 5
NO_SOURCE = "none"
Strings = npt.NDArray[np.object_]
"""pointers to strings that few cases have alone: 8 bytes a case, whatever their length"""
_TYPES = {
    **dict.fromkeys(("inclusion", "p_generated", "truth"), np.float64),
    **dict.fromkeys(("generated", "uncertain", "decided", "looked_at", "blind"), np.bool_),
    "event": np.uint64,
}
"""of columns that hold no strings"""
IMAGE = "image"


@dataclass(slots=True)
class LeftOutCases:
    """Numbers by reason, with the first keys of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, key: str) -> None:
        self.counts[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(key)


@dataclass(frozen=True, slots=True, eq=False)
class SampledCases:
    """One row a case, those of one image together. `truth` is 1 for generated; it counts where `decided`.

    `image` numbers the images, `event` hashes the event ids. All columns take about 100 bytes a case.
    """

    inclusion: Floats
    p_generated: Floats
    generated: Bools
    uncertain: Bools
    truth: Floats
    decided: Bools
    looked_at: Bools
    blind: Bools
    state: Strings
    reason: Strings
    source: Strings
    week: Strings
    revision: Strings
    event: EventHashes
    image: Integers

    def __len__(self) -> int:
        return len(self.inclusion)

    def select(self, members: Bools) -> "SampledCases":
        return SampledCases(**{column.name: getattr(self, column.name)[members] for column in fields(self)})

    def find_image_starts(self) -> Integers:
        """Return the places where another image begins."""
        return np.flatnonzero(np.r_[True, self.image[1:] != self.image[:-1]])

    def number_cells(self) -> list[Integers]:
        """Return the cells of response: by reason and source, by reason, and all in one."""
        reasons, sources = (_number(names) for names in (self.reason, self.source))
        pairs = _number(reasons * (sources.max(initial=0) + 1) + sources)
        return [pairs, reasons, np.zeros(len(self), np.intp)]


def collect_cases(
    found: Iterable[AdjudicatedCase | Unreadable],
    left_out: LeftOutCases,
    *,
    deleted: frozenset[str] = frozenset(),
    since: datetime | None = None,
) -> SampledCases:
    """Collect the cases that a stratum of the worker drew; count the others in `left_out`."""
    columns: dict[str, list[object]] = {column.name: [] for column in fields(SampledCases)}
    for each in found:
        if isinstance(each, Unreadable):
            left_out.add(UNREADABLE, each.key)
            continue
        for label in each.unreadable:
            left_out.add(UNREADABLE_LABEL, label.key)
        case = each.case
        if reason := _find_reason_to_leave_out(case, deleted, since):
            left_out.add(reason, case.case_id)
            continue
        for name, value in _build_row(each).items():
            columns[name].append(sys.intern(value) if isinstance(value, str) and name != IMAGE else value)
    return _build_columns(columns)


def _find_reason_to_leave_out(case: LabelCase, deleted: frozenset[str], since: datetime | None) -> str | None:
    if SampleReason.REVIEW in case.reasons:
        return REVIEW
    if not case.inclusion_probability:
        return NOT_DRAWN
    if case.image.sha256 in deleted:
        return DELETED
    return EARLIER if since and case.verdict_event.decided_at < since else None


def _build_row(found: AdjudicatedCase) -> Mapping[str, object]:
    case, event = found.case, found.case.verdict_event
    adjudication = found.of_annotators
    week = event.decided_at.astimezone(UTC).isocalendar()
    return {
        "inclusion": case.inclusion_probability,
        "p_generated": event.p_generated,
        "generated": event.verdict is Verdict.GENERATED,
        "uncertain": event.uncertain,
        "truth": float(adjudication.verdict is Verdict.GENERATED),
        "decided": adjudication.verdict is not None,
        "looked_at": adjudication.state is not LabelState.PENDING,
        "blind": case.blind,
        "state": str(adjudication.state),
        "reason": str(SampleReason.CONTROL) if SampleReason.CONTROL in case.reasons else "+".join(sorted(case.reasons)),
        "source": event.source or NO_SOURCE,
        "week": f"{week.year}-W{week.week:02}",
        "revision": event.model.revision,
        "event": hash_event(event.event_id),
        IMAGE: case.image.sha256,
    }


def _build_columns(columns: Mapping[str, list[object]]) -> SampledCases:
    images = _number(np.array(columns[IMAGE], object))
    order = np.argsort(images, kind="stable")
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.array(values, dtype=_TYPES.get(name, np.object_))[order]
        for name, values in columns.items()
        if name != IMAGE
    }
    return SampledCases(**arrays, image=images[order])


def _number(names: npt.NDArray[Any]) -> Integers:
    """Return the place of each name among all different names, sorted."""
    numbers: Integers = np.unique(names, return_inverse=True)[1]
    return numbers
