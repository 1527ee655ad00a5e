"""The processes of a run on several devices: which one this is, what its share is, and by whose clock they go."""

import time
from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list


def join() -> PartialState:
    """This process among those that a launcher started; alone where none did."""
    return PartialState(cpu=not torch.cuda.is_available())


def share(order: Sequence[int], process: int, processes: int) -> Sequence[int]:
    """As long for each process: where weights are sharded, one that had less to do would leave the others waiting."""
    longest = -(-len(order) // processes)
    own = list(order[process::processes])
    return own + list(order[-1:]) * (longest - len(own))


def first_s() -> float:
    """The first process's clock, which all ask at once: by their own ones they would learn at different rates."""
    (now_s,) = broadcast_object_list([time.monotonic()])
    return float(now_s)
