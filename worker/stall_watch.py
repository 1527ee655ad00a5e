"""Watch for partitions that could be read and bring nothing; pure.

Invariant: a partition is stalled only if every look since `STALLED_AFTER_S` found it readable and behind, and no record
of it came meanwhile. One look at which that does not hold, one record, or a new assignment starts the time anew.
"""

from collections.abc import Mapping, Set

STALLED_AFTER_S = 30.0


class StallWatch:
    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def reset(self, partition: int) -> None:
        self._since.pop(partition, None)

    def look(self, readable: Set[int], lag: Mapping[int, int], now: float) -> list[int]:
        """Return the stalled partitions.

        `readable`: the partitions that are not paused while a slot is free. `lag`: unread records of each partition;
        empty while the broker does not answer.
        """
        behind = {partition for partition in readable if lag.get(partition, 0) > 0}
        self._since = {partition: self._since.get(partition, now) for partition in behind}
        return sorted(partition for partition, since in self._since.items() if now - since >= STALLED_AFTER_S)
