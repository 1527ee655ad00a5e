"""Compare verdicts with the truth of the traffic: accuracy over time, and what no swap of models may do. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.wire.messages import VerdictEvent, build_verdict_id
from tests.loop_demo.traffic import Kind, SentEvent

WINDOW = 60
"""events of one kind that a point of the curve is the mean of"""
STEP = 6


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """An event with its first verdict, and the last one where it was judged again."""

    sent: SentEvent
    first: VerdictEvent
    last: VerdictEvent

    @property
    def is_right(self) -> bool:
        return self.first.verdict is self.sent.label

    @property
    def is_last_right(self) -> bool:
        return self.last.verdict is self.sent.label


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was lost or mixed: all lists are empty after a swap that kept its promises."""

    lost: tuple[str, ...]
    """events without any verdict"""
    mixed: tuple[str, ...]
    """events whose verdict was not made by one revision, or by another one than the champion of its time"""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    number: float
    """of the event in the middle of the window"""
    accuracy: float
    revision: str


def join(sent: Iterable[SentEvent], verdicts: Iterable[VerdictEvent]) -> list[JudgedEvent]:
    """Return the answered events in the order in which they were sent."""
    by_event: dict[str, list[VerdictEvent]] = defaultdict(list)
    for verdict in verdicts:
        by_event[verdict.event_id].append(verdict)
    return [JudgedEvent(event, own[0], own[-1]) for event in sent if (own := by_event.get(event.event_id))]


def compute_accuracy(judged: Iterable[JudgedEvent], *, kind: Kind | None = None) -> float | None:
    """Return the share of right first verdicts; None without any."""
    right = [event.is_right for event in judged if kind in (None, event.sent.kind)]
    return round(sum(right) / len(right), 4) if right else None


def trace_curve(judged: Sequence[JudgedEvent], kind: Kind, *, window: int = WINDOW) -> list[CurvePoint]:
    """Return the accuracy of one kind over the traffic, as means of windows that do not cross a change of revision."""
    points: list[CurvePoint] = []
    runs = _split_by_revision([event for event in judged if event.sent.kind is kind])
    for run in runs:
        width = min(window, len(run))
        for start in range(0, len(run) - width + 1, STEP):
            part = run[start : start + width]
            middle = (part[0].sent.number + part[-1].sent.number) / 2
            accuracy = sum(event.is_right for event in part) / width
            points.append(CurvePoint(middle, accuracy, part[0].first.model.revision))
    return points


def find_swaps(judged: Sequence[JudgedEvent]) -> list[tuple[int, str]]:
    """Return the first event of each revision in turn, by its number."""
    in_order = sorted(judged, key=lambda event: event.first.decided_at)
    first, swaps = in_order[:1], [(after, before) for before, after in pairwise(in_order)]
    changed = [after for after, before in swaps if after.first.model.revision != before.first.model.revision]
    return [(event.sent.number, event.first.model.revision) for event in [*first, *changed]]


def check_integrity(
    sent: Sequence[SentEvent], verdicts: Sequence[VerdictEvent], *, champions: Sequence[str], rejudged: Collection[str]
) -> Integrity:
    """Check every verdict: it is there, and one revision made it, the one that its worker served at that time.

    `champions` are the revisions in the order in which they were promoted, and `rejudged` are the events that were
    judged again on purpose. A worker takes up a champion once, and no earlier one answers any more.
    """
    answered = {verdict.event_id for verdict in verdicts}
    mixed = {verdict.event_id for verdict in verdicts if verdict.verdict_id != _derive_id(verdict)}
    revisions: dict[str, set[str]] = defaultdict(set)
    for verdict in verdicts:
        revisions[verdict.event_id].add(verdict.model.revision)
    mixed |= {event_id for event_id, own in revisions.items() if len(own) > 1 and event_id not in rejudged}
    mixed |= _find_out_of_turn(verdicts, champions)
    lost = tuple(event.event_id for event in sent if event.event_id not in answered)
    return Integrity(lost, tuple(sorted(mixed)))


def compare_models(judged: Iterable[JudgedEvent], rejudged: Collection[str]) -> Mapping[Kind, Mapping[str, float]]:
    """Return by kind the accuracy of both verdicts of the events that two models judged."""
    both = [event for event in judged if event.sent.event_id in rejudged and event.first != event.last]
    table: dict[Kind, dict[str, float]] = {}
    for kind in Kind:
        own = [event for event in both if event.sent.kind is kind]
        if own:
            first, last = (sum(right) / len(own) for right in _list_answers(own))
            table[kind] = {"events": len(own), "first": round(first, 4), "last": round(last, 4)}
    return table


def find_longest_silence_s(verdicts: Iterable[VerdictEvent]) -> float:
    """Return the longest time between two verdicts in a row."""
    times = sorted(verdict.decided_at for verdict in verdicts)
    return max(((after - before).total_seconds() for before, after in pairwise(times)), default=0.0)


def _list_answers(judged: Sequence[JudgedEvent]) -> tuple[list[bool], list[bool]]:
    return [event.is_right for event in judged], [event.is_last_right for event in judged]


def _split_by_revision(judged: Sequence[JudgedEvent]) -> list[list[JudgedEvent]]:
    runs: list[list[JudgedEvent]] = []
    for event in judged:
        if not runs or runs[-1][-1].first.model.revision != event.first.model.revision:
            runs.append([])
        runs[-1].append(event)
    return runs


def _derive_id(verdict: VerdictEvent) -> str:
    return build_verdict_id(verdict.event_id, verdict.model.revision, verdict.model.prompt_version)


def _find_out_of_turn(verdicts: Sequence[VerdictEvent], champions: Sequence[str]) -> set[str]:
    """Find the events that a revision judged before or after its turn."""
    turn, found = 0, set[str]()
    for verdict in sorted(verdicts, key=lambda verdict: verdict.decided_at):
        if verdict.model.revision in champions[turn:]:
            turn = champions.index(verdict.model.revision, turn)
        else:
            found.add(verdict.event_id)
    return found
