"""What a source brings to the loop: records, and how the group has moved partitions meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.wire.record import RawRecord

Partitions = frozenset[int]


@dataclass(frozen=True, slots=True)
class Membership:
    """Who we are in the group at one moment: by this the brokers know what a member sends that the group gave up."""

    group_id: str
    generation: int
    member_id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one poll brought. Drop `revoked` and `lost` first, then take up `assigned`, then read `records`.

    `positions`: where each partition would go on reading, behind `records` and behind gaps that hold none; a partition
        whose position is not known yet is missing. `skipped`: offsets that were deleted before we read them.
    `membership`: None while we are not in the group; never newer than what `lost` and `revoked` tell.
    """

    records: list[RawRecord]
    assigned: Partitions
    revoked: Partitions
    lost: Partitions
    assignment: Partitions
    positions: Mapping[int, int]
    skipped: int = 0
    membership: Membership | None = None
