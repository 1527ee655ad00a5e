"""The result of a poll: records, and the partitions that a rebalance has moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.wire.record import RawRecord

Partitions = frozenset[int]


class GroupOffset(NamedTuple):
    """The offset that a group has committed of a partition, with the label that it was committed with."""

    offset: int
    label: str


@dataclass(frozen=True, slots=True)
class Membership:
    """Our identity in the group at one moment; by it the brokers refuse a member that the group has expelled."""

    group_id: str
    generation: int
    member_id: str


@dataclass(frozen=True, slots=True)
class Truncation:
    """A partition whose log ended before the offset that we expected next; it goes on at `resumed_at`.

    `by_epoch`: the leader epoch told where the log was cut, and everything from there on is new. Otherwise nothing told
    it, and `resumed_at` is the log's first offset: records may be read again.
    """

    partition: int
    expected: int
    resumed_at: int
    by_epoch: bool


@dataclass(frozen=True, slots=True)
class PollResult:
    """The result of one poll; read it in this order: drop `revoked` and `lost`, add `assigned`, then take `records`.

    `positions`: the next offset to read of each partition, after `records` and after gaps without records; a partition
        whose position is still unknown is missing. `skipped`: number of offsets deleted before they were read.
    `truncations`: the partitions that were found cut in this poll.
    `membership`: None while we are not in the group; never newer than `lost` and `revoked`.
    """

    records: list[RawRecord]
    assigned: Partitions
    revoked: Partitions
    lost: Partitions
    assignment: Partitions
    positions: Mapping[int, int]
    skipped: int = 0
    membership: Membership | None = None
    truncations: Sequence[Truncation] = ()
