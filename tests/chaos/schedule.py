"""The schedule of faults: kind, target, time and duration; equal for equal seeds. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

SESSION_TIMEOUT_S = 6.0
"""the shortest that Kafka's own default allows: a killed worker's partitions move after this"""
EVENTS_PER_S = 30.0
"""no more than three workers and their services can do on two shared cores"""


class Kind(StrEnum):
    WORKER_KILLED = "worker_killed"
    BROKER_KILLED = "broker_killed"
    WORKER_FROZEN = "worker_frozen"
    WORKER_STOPPED = "worker_stopped"
    BROKER_FROZEN = "broker_frozen"
    S3_STOPPED = "s3_stopped"
    S3_FROZEN = "s3_frozen"
    S3_SLOWED = "s3_slowed"
    MEMBER_JOINS = "member_joins"
    VERDICTS_DENIED = "verdicts_denied"
    IMAGES_DENIED = "images_denied"
    POINTER_MOVED = "pointer_moved"
    POINTER_FLAPPED = "pointer_flapped"
    REVISION_DAMAGED = "revision_damaged"
    SMOKE_FAILED = "smoke_failed"
    REGISTRY_DENIED = "registry_denied"
    KILLED_IN_SWAP = "killed_in_swap"
    ROLLED_BACK = "rolled_back"


KILLS = (Kind.WORKER_KILLED, Kind.BROKER_KILLED, Kind.WORKER_KILLED, Kind.WORKER_KILLED)
DENIALS = (Kind.VERDICTS_DENIED, Kind.IMAGES_DENIED)
"""in every course"""
SWAPS = (
    Kind.POINTER_MOVED,
    Kind.POINTER_FLAPPED,
    Kind.REVISION_DAMAGED,
    Kind.SMOKE_FAILED,
    Kind.REGISTRY_DENIED,
    Kind.KILLED_IN_SWAP,
    Kind.ROLLED_BACK,
)
"""faults of the model that serves, in a course with swaps"""
OTHERS = tuple(kind for kind in Kind if kind not in (*KILLS, *DENIALS, *SWAPS))
LASTS_S = {
    Kind.WORKER_KILLED: (0.0, 3.0),
    Kind.BROKER_KILLED: (1.0, 5.0),
    # Past the session, so that the group goes on without it.
    Kind.WORKER_FROZEN: (SESSION_TIMEOUT_S + 1.5, SESSION_TIMEOUT_S + 4.0),
    Kind.WORKER_STOPPED: (0.0, 2.0),
    Kind.BROKER_FROZEN: (2.0, 8.0),
    Kind.S3_STOPPED: (2.0, 6.0),
    Kind.S3_FROZEN: (2.0, 8.0),
    Kind.S3_SLOWED: (3.0, 8.0),
    Kind.MEMBER_JOINS: (2.0, 5.0),
    # Long enough for refused events to be tried again, and shorter than the worker's patience.
    Kind.VERDICTS_DENIED: (3.0, 6.0),
    Kind.IMAGES_DENIED: (3.0, 6.0),
    # Long enough for every worker to look at the pointer, to download, and to swap.
    **dict.fromkeys(SWAPS, (2.0, 4.0)),
}
REST_S = (1.0, 4.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`victim` counts workers; after `rest_s` of peace it begins, and it is undone after `lasts_s`."""

    kind: Kind
    victim: int
    rest_s: float
    lasts_s: float


def schedule(seed: int, *, kills: int, events: int, workers: int, swaps: bool = False) -> list[Fault]:
    """Return `kills` times SIGKILL, one other fault more than that, and both denials, spread over all events.

    With `swaps`, faults of the model that serves take the place of the other faults: each kind of them at least once.
    """
    rng = random.Random(seed)
    kinds = _drawn(KILLS, kills, rng)
    kinds += _drawn(SWAPS, max(kills + 1, len(SWAPS)), rng) if swaps else _drawn(OTHERS, kills + 1, rng)
    kinds += DENIALS
    rng.shuffle(kinds)
    faults = [Fault(kind, rng.randrange(workers), rng.uniform(*REST_S), rng.uniform(*LASTS_S[kind])) for kind in kinds]
    missing_s = events / EVENTS_PER_S - duration_s(faults)
    longer_s = max(0.0, missing_s) / len(faults)
    return [replace(fault, rest_s=fault.rest_s + longer_s) for fault in faults]


def duration_s(faults: Sequence[Fault]) -> float:
    return sum(fault.rest_s + fault.lasts_s for fault in faults)


def _drawn(kinds: Sequence[Kind], count: int, rng: random.Random) -> list[Kind]:
    """Each kind once before any comes again."""
    drawn: list[Kind] = []
    while len(drawn) < count:
        drawn += rng.sample(kinds, len(kinds))
    return drawn[:count]
