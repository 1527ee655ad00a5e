"""Says whether the promise was kept, from what was sent, what the topics hold and what was committed; pure.

The promise: every event ends in the verdict topic or the dead-letter topic, a repeat is the same verdict, and no
committed offset lies beyond an unanswered event, at no moment. One model gives all of a verdict.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

MAY_DIFFER = ("timing_s", "worker", "decided_at")
"""fields in which two deliveries of one event may have different verdicts"""
P_MAY_DIFFER_BY = 0.02
"""a real engine adds up in another order when other queries share its batch"""

_REVISION = re.compile("sha256:[0-9a-f]{64}")

Place = tuple[int, int]
"""partition and offset in the input topic"""
Kind = Literal["verdict", "dead_letter"]
Said = Mapping[str, Any]
Alike = Callable[[Said, Said], bool]
"""whether two verdicts on one event say the same"""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that the broker acknowledged, and how it must end."""

    event_id: str
    place: Place
    at_ms: int
    ends_as: Kind = "verdict"


@dataclass(frozen=True, slots=True)
class Answer:
    """A record of one of the output topics: which input record it is about, and when it was sent."""

    kind: Kind
    place: Place
    at_ms: int
    said: Said
    """a verdict's fields, or a letter's headers"""


@dataclass(frozen=True, slots=True)
class Commit:
    """The group committed `offset`, that of the next record to read."""

    partition: int
    offset: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Verification:
    sent: int
    verdicts: int
    dead_letters: int
    lost: tuple[str, ...]
    repeats: int
    unequal_repeats: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    """events that ended as the other kind, or under another id than their own"""
    mixed_revisions: tuple[str, ...]
    """events with a verdict of which one model gave a part and another the rest"""
    unknown: int
    """answers to what was never sent"""
    offsets_beyond_unanswered: int
    """records that had no answer when an offset beyond them was committed"""
    uncommitted: int
    """records at or beyond the last commit; none once all is answered and every worker has stopped"""
    longest_silence_s: Mapping[int, float]
    """per partition, while something waited there for its answer"""

    def broken(self, *, silence_limit_s: float, may_repeat: bool = True) -> list[str]:
        """One sentence a broken rule; `may_repeat`: whether the delivery allows a second answer to an event."""
        silent = {p: f"{s:.0f} s" for p, s in self.longest_silence_s.items() if s > silence_limit_s}
        findings = {
            f"{len(self.lost)} events were never answered: {_some(self.lost)}": self.lost,
            f"{len(self.unequal_repeats)} events got verdicts that differ: {_some(self.unequal_repeats)}": (
                self.unequal_repeats
            ),
            f"{len(self.wrong_answers)} events ended as they must not: {_some(self.wrong_answers)}": self.wrong_answers,
            f"{len(self.mixed_revisions)} events were judged by two models at once: {_some(self.mixed_revisions)}": (
                self.mixed_revisions
            ),
            f"{self.repeats} answers were repeated though each was to come exactly once": (
                not may_repeat and self.repeats
            ),
            f"{self.unknown} answers belong to nothing that was sent": self.unknown,
            f"{self.offsets_beyond_unanswered} records were passed by a commit before they were answered": (
                self.offsets_beyond_unanswered
            ),
            f"{self.uncommitted} records were not committed in the end": self.uncommitted,
            f"partitions were silent too long: {silent}": silent,
        }
        return [sentence for sentence, found in findings.items() if found]


def merge(first: Verification, second: Verification) -> Verification:
    """Return the verification of two groups of workers, each with topics of its own."""
    silence_s = [first.longest_silence_s, second.longest_silence_s]
    partitions = sorted(set(silence_s[0]) | set(silence_s[1]))
    return Verification(
        sent=first.sent + second.sent,
        verdicts=first.verdicts + second.verdicts,
        dead_letters=first.dead_letters + second.dead_letters,
        lost=first.lost + second.lost,
        repeats=first.repeats + second.repeats,
        unequal_repeats=first.unequal_repeats + second.unequal_repeats,
        wrong_answers=first.wrong_answers + second.wrong_answers,
        mixed_revisions=first.mixed_revisions + second.mixed_revisions,
        unknown=first.unknown + second.unknown,
        offsets_beyond_unanswered=first.offsets_beyond_unanswered + second.offsets_beyond_unanswered,
        uncommitted=first.uncommitted + second.uncommitted,
        longest_silence_s={p: max(silence.get(p, 0.0) for silence in silence_s) for p in partitions},
    )


def has_same_words(one: Said, other: Said) -> bool:
    """What a stand-in engine's repeats must be: equal but for who said it and when."""
    first, second = ({name: value for name, value in said.items() if name not in MAY_DIFFER} for said in (one, other))
    return first == second


def is_same_verdict(one: Said, other: Said) -> bool:
    """What a real engine's repeats must be: one verdict, with nearly the same probability."""
    apart = abs(float(str(one["p_generated"])) - float(str(other["p_generated"])))
    return one["verdict_id"] == other["verdict_id"] and apart <= P_MAY_DIFFER_BY


def verify(
    sent: Sequence[Sent], answers: Sequence[Answer], commits: Sequence[Commit], *, alike: Alike = has_same_words
) -> Verification:
    by_place: dict[Place, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_place[answer.place].append(answer)
    known = {event.place for event in sent}
    first_at = {place: min(answer.at_ms for answer in given) for place, given in by_place.items()}
    counts = Counter(answer.kind for answer in answers)
    return Verification(
        sent=len(sent),
        verdicts=counts["verdict"],
        dead_letters=counts["dead_letter"],
        lost=tuple(event.event_id for event in sent if event.place not in by_place),
        repeats=sum(len(by_place[event.place]) - 1 for event in sent if event.place in by_place),
        unequal_repeats=tuple(e.event_id for e in sent if _differ(by_place.get(e.place, ()), alike)),
        wrong_answers=tuple(e.event_id for e in sent if any(_is_wrong(e, a) for a in by_place.get(e.place, ()))),
        mixed_revisions=tuple(e.event_id for e in sent if any(map(_is_mixed, by_place.get(e.place, ())))),
        unknown=sum(answer.place not in known for answer in answers),
        offsets_beyond_unanswered=_passed_over(known, first_at, commits),
        uncommitted=_uncommitted(known, commits),
        longest_silence_s=_silences(sent, first_at),
    )


def _differ(answers: Iterable[Answer], alike: Alike) -> bool:
    """Return whether two verdicts of one model differ; another model may judge an event again, and otherwise."""
    verdicts = [answer.said for answer in answers if answer.kind == "verdict"]
    return any(
        one.get("model") == other.get("model") and not alike(one, other) for one, other in combinations(verdicts, 2)
    )


def _is_mixed(answer: Answer) -> bool:
    """Return whether the explanations of a verdict name another revision than the verdict; a stand-in names its own."""
    if answer.kind != "verdict" or "model" not in answer.said:
        return False
    parts = [answer.said["scan"], answer.said["check"] or {}]
    named = {name for part in parts for name in _REVISION.findall(part.get("explanation") or "")}
    return not named <= {answer.said["model"]["revision"]}


def _is_wrong(event: Sent, answer: Answer) -> bool:
    return answer.kind != event.ends_as or (answer.kind == "verdict" and answer.said.get("event_id") != event.event_id)


def _passed_over(places: Iterable[Place], first_at: Mapping[Place, int], commits: Iterable[Commit]) -> int:
    # A later commit passes everything that an earlier one of the same offset passed: the first beyond a record decides.
    by_partition: dict[int, list[Commit]] = defaultdict(list)
    for commit in sorted(commits, key=lambda commit: commit.at_ms):
        highest = by_partition[commit.partition]
        if not highest or commit.offset > highest[-1].offset:
            highest.append(commit)
    passed = 0
    for place in places:
        beyond = next((commit for commit in by_partition[place[0]] if commit.offset > place[1]), None)
        passed += beyond is not None and first_at.get(place, beyond.at_ms + 1) > beyond.at_ms
    return passed


def _uncommitted(places: Iterable[Place], commits: Iterable[Commit]) -> int:
    last = {commit.partition: commit.offset for commit in sorted(commits, key=lambda commit: commit.at_ms)}
    return sum(offset >= last.get(partition, 0) for partition, offset in places)


def _silences(sent: Iterable[Sent], first_at: Mapping[Place, int]) -> dict[int, float]:
    """The end of the run is no silence: what was never answered is lost, not late."""
    moments: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in sent:
        answered_at = first_at.get(event.place)
        if answered_at is not None:
            moments[event.place[0]] += [(event.at_ms, 1), (max(event.at_ms, answered_at), -1)]
    return {partition: _longest_wait_s(sorted(found)) for partition, found in sorted(moments.items())}


def _longest_wait_s(moments: Iterable[tuple[int, int]]) -> float:
    waiting, since_ms, longest_ms = 0, 0, 0
    for at_ms, change in moments:
        if change < 0 and waiting > 0:
            longest_ms = max(longest_ms, at_ms - since_ms)
        if change < 0 or waiting == 0:
            since_ms = at_ms
        waiting += change
    return longest_ms / 1000


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
