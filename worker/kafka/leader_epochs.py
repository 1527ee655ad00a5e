"""The leader epoch of each record that was read: committed with an offset, it shows later whether the log was cut.

A partition's epoch rises with each election of a leader; a record keeps the epoch in which it was written. Pure.
"""

from bisect import bisect_left
from collections.abc import Mapping, Set
from types import MappingProxyType

UNKNOWN_EPOCH = -1
NO_EPOCHS: Mapping[int, int] = MappingProxyType({})
"""of partitions whose epochs are unknown"""
MOST_ELECTIONS = 100
"""remembered of each partition; the records before them are committed long since"""


class LeaderEpochs:
    def __init__(self) -> None:
        self._starts: dict[int, list[tuple[int, int]]] = {}

    def note(self, partition: int, offset: int, epoch: int) -> None:
        """Note the epoch of the record at `offset`, which follows those noted before or, after a cut, replaces them."""
        if epoch == UNKNOWN_EPOCH:
            return
        starts = self._starts.setdefault(partition, [])
        while starts and starts[-1][0] > offset:
            starts.pop()
        if not starts or starts[-1][1] != epoch:
            starts.append((offset, epoch))
            del starts[:-MOST_ELECTIONS]

    def find(self, partition: int, offset: int) -> int:
        """Return the epoch of the last record before `offset`, or UNKNOWN_EPOCH."""
        starts = self._starts.get(partition, [])
        index = bisect_left(starts, offset, key=lambda start: start[0])
        return starts[index - 1][1] if index else UNKNOWN_EPOCH

    def keep_only(self, partitions: Set[int]) -> None:
        self._starts = {partition: starts for partition, starts in self._starts.items() if partition in partitions}
