"""Waits for answers and commits as long as there are more of them, and says where it stopped.

A deadline for all of it would say how fast the machine is: beside another test, two cores may take minutes over what
idle ones do in seconds. A worker that has stopped shows by silence alone.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tests.chaos import topics
from tests.chaos.verification import Place, Sent
from tests.support.site import Site

LOOK_EVERY_S = 0.5
LOG_END_CHARACTERS = 3000

Measured = TypeVar("Measured")


def reaches(
    measure: Callable[[], Measured],
    goal: Measured,
    *,
    silence_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Return whether what is measured becomes `goal`, before it stays the same for `silence_s`."""
    before, moved_at = measure(), clock()
    while before != goal:
        if clock() - moved_at >= silence_s:
            return False
        sleep(LOOK_EVERY_S)
        now = measure()
        if now != before:
            before, moved_at = now, clock()
    return True


def wait_until_answered(site: Site, sent: Iterable[Sent], *, silence_s: float) -> None:
    """Wait until each has an answer; their number says nothing, because some answers may be repeats.

    Raises: AssertionError if none of the others is answered for `silence_s`.
    """
    places = {event.place for event in sent}

    def find_unanswered() -> set[Place]:
        return places - {answer.place for answer in topics.answers(site)}

    nothing: set[Place] = set()
    assert reaches(find_unanswered, nothing, silence_s=silence_s), (
        f"no event was answered for {silence_s:g} s: {describe_unanswered(places, find_unanswered())}; committed: "
        f"{site.read_committed_offsets()}{read_log_ends(site.directory)}"
    )


def wait_until_committed(site: Site, sent: Iterable[Sent], *, silence_s: float) -> None:
    """Wait for commits before all workers stop at once: one that stops in a rebalance leaves them to a successor.

    Raises: AssertionError if no offset moves for `silence_s`.
    """
    ends: dict[int, int] = {}
    for event in sent:
        partition, offset = event.place
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    assert reaches(site.read_committed_offsets, ends, silence_s=silence_s), (
        f"no offset moved for {silence_s:g} s: {site.read_committed_offsets()} of {ends}{read_log_ends(site.directory)}"
    )


def describe_unanswered(places: Iterable[Place], unanswered: Iterable[Place]) -> str:
    """Return for each partition how many of its events are unanswered, and from which offset on."""
    sent = Counter(partition for partition, _ in places)
    missing = sorted(unanswered)
    counts, first = Counter(partition for partition, _ in missing), dict(reversed(missing))
    return ", ".join(
        f"partition {p} lacks {counts[p]} of {sent[p]}" + (f" from offset {first[p]} on" if p in first else "")
        for p in sorted(sent)
    )


def read_log_ends(directory: Path) -> str:
    """Return the end of each worker's log."""
    return "".join(
        f"\n--- the end of {log.name}:\n{log.read_text(errors='replace')[-LOG_END_CHARACTERS:]}"
        for log in sorted(directory.glob("worker-*.log"))
    )
