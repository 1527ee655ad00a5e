"""The processes of a run on several devices: which one this is, what its share is, and by whose clock they go."""

import time
from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from pipeline.errors import BadSettings


def join() -> PartialState:
    """This process among those that a launcher started; alone where none did."""
    return PartialState(cpu=not torch.cuda.is_available())


def share(order: Sequence[int], process: int, processes: int) -> Sequence[int]:
    """As long for each process: where weights are sharded, one that had less to do would leave the others waiting."""
    longest = -(-len(order) // processes)
    own = list(order[process::processes])
    return own + list(order[-1:]) * (longest - len(own))


def batches(rows: int, *, at_once: int, devices: int) -> int:
    """Batches of each device that make up a step. Raises: BadSettings when it does not come out even."""
    if rows % (at_once * devices):
        raise BadSettings(
            f"a step's {rows} rows cannot be shared by {devices} devices with {at_once} at once; change --micro-batch, "
            "or how many rows a step has"
        )
    return rows // (at_once * devices)


def first_s() -> float:
    """The first process's clock, which all ask at once: by their own ones they would learn at different rates."""
    (now_s,) = broadcast_object_list([time.monotonic()])
    return float(now_s)
