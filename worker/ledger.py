"""Ledger of offsets: out-of-order completions become in-order commits; pure.

Invariant: a committable offset never lies past an open one, and only the present assignment of a partition counts.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True, slots=True)
class Position:
    """A record that was begun under one assignment of its partition; `epoch` names the assignment."""

    partition: int
    offset: int
    epoch: int


@dataclass(slots=True)
class _Assignment:
    """`next_offset` follows the newest record read; None until the first position is known.

    Offsets may jump forward (transaction markers, compaction) and back (the log was cut): an offset begun twice is
    open until both are finished, and reading further back moves the committable offset back too.
    """

    epoch: int
    next_offset: int | None
    committed: int | None
    open: Counter[int] = field(default_factory=Counter)
    begun: list[int] = field(default_factory=list)
    """offsets of the records since the commit, in order"""
    is_cut: bool = False
    """the log was cut below the commit, and nothing has been committed since"""

    @property
    def committable(self) -> int | None:
        return None if self.next_offset is None else min([self.next_offset, *self.open])

    @property
    def span(self) -> int:
        if self.next_offset is None or self.committable is None:
            return 0
        secured = self.committable if self.committed is None else min(self.committed, self.committable)
        return bisect_left(self.begun, self.next_offset) - bisect_left(self.begun, secured)


class OffsetLedger:
    def __init__(self) -> None:
        self._epochs = count(1)
        self._assignments: dict[int, _Assignment] = {}

    def assign(self, partition: int, position: int | None = None) -> None:
        """Start a new epoch. `position` is the first offset to read, None while the client does not know it yet."""
        self._assignments[partition] = _Assignment(next(self._epochs), position, position)

    def revoke(self, partition: int) -> None:
        """Drop the partition; positions that are still open there may finish later and change nothing."""
        self._assignments.pop(partition, None)

    def begin(self, partition: int, offset: int) -> Position:
        assignment = self._assignments[partition]
        if assignment.committed is not None and offset < assignment.committed:
            # That commit was about records which the log has lost; a new one may have to say the same offset.
            assignment.committed, assignment.is_cut = offset, True
        assignment.open[offset] += 1
        insort(assignment.begun, offset)
        assignment.next_offset = offset + 1
        return Position(partition, offset, assignment.epoch)

    def finish(self, position: Position) -> bool:
        """Close a position. Return False and change nothing if its assignment is over."""
        assignment = self._assignments.get(position.partition)
        if assignment is None or assignment.epoch != position.epoch or not assignment.open[position.offset]:
            return False
        assignment.open[position.offset] -= 1
        if not assignment.open[position.offset]:
            del assignment.open[position.offset]
        return True

    def skip_gaps(self, partition: int, position: int) -> None:
        """Move past gaps without records: `position` is the client's when every record that it returned was begun."""
        assignment = self._assignments.get(partition)
        if assignment is None or assignment.open:
            return
        assignment.next_offset = max(position, assignment.next_offset or 0)

    def find_committable(self) -> dict[int, int]:
        """Return the offset to commit (of the next record to read) of each partition where it is not committed yet."""
        return {
            p: now
            for p, a in self._assignments.items()
            if (now := a.committable) is not None and (now != a.committed or a.is_cut)
        }

    def note_commit(self, offsets: Mapping[int, int]) -> None:
        """Note that the broker has stored these offsets."""
        for partition, offset in offsets.items():
            if (assignment := self._assignments.get(partition)) is not None:
                assignment.committed, assignment.is_cut = offset, False
                del assignment.begun[: bisect_left(assignment.begun, offset)]

    def measure_span(self, partition: int) -> int:
        """Count the records from the last commit to the newest read: a crash would repeat these.

        Offsets without records do not count: a compacted topic has more of them than records.
        """
        assignment = self._assignments.get(partition)
        return 0 if assignment is None else assignment.span

    @property
    def open_count(self) -> int:
        return sum(assignment.open.total() for assignment in self._assignments.values())
