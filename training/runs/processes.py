"""The processes of a run on several devices: their shares of the work, and their common clock."""

import gc
import math
import time
from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

from pipeline.errors import BadSettings


def join_processes() -> PartialState:
    """Join the processes that a launcher started; without a launcher this process is alone."""
    return PartialState(cpu=not torch.cuda.is_available())


def measure_gpu_bytes() -> int | None:
    """Return the memory of this process's GPU; None where there is none."""
    device = join_processes().device
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def shards_weights() -> bool:
    """Return True if the launcher's configuration shares the weights out among the processes (FSDP or DeepSpeed)."""
    return any(parse_flag_from_env(f"ACCELERATE_USE_{name}") for name in ("FSDP", "DEEPSPEED"))


def set_threads(threads: int) -> None:
    """Let torch use this process's share of the machine's `threads`, which its other processes use too."""
    count = join_processes().num_processes
    torch.set_num_threads(compute_threads(threads, processes=count, gpus=torch.cuda.device_count()))


def compute_threads(threads: int, *, processes: int, gpus: int) -> int:
    """Return the threads of one process; where there are GPUs each has a process, else all run on one machine."""
    return max(1, threads // min(processes, gpus or processes))


def free_memory() -> None:
    """Give back the memory of a trainer that has ended: it holds itself in reference cycles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def refuse_unshared_gpus() -> None:
    """Refuse a process that sees several GPUs and is alone, before it loads a model.

    Raises: BadSettings.
    """
    gpus = torch.cuda.device_count()
    if gpus > 1 and join_processes().num_processes == 1:
        raise BadSettings(
            f"one process sees {gpus} GPUs; start it with `accelerate launch --config_file "
            "infra/accelerate/eight_gpus.yaml -m training ...`, or show it one of them: CUDA_VISIBLE_DEVICES=0"
        )


def take_share(order: Sequence[int], process: int, processes: int) -> Sequence[int]:
    """Return the share of one process, equally long for each: the last item may be repeated.

    Where weights are sharded, a process with less to do would leave the others waiting.
    """
    longest = -(-len(order) // processes)
    own = list(order[process::processes])
    return own + list(order[-1:]) * (longest - len(own))


def count_batches(rows: int, *, at_once: int, devices: int, answers: int | None = None) -> int:
    """Return the batches of each device that make up a step; with `answers`, the rows are so many for each prompt.

    Raises: BadSettings when they do not come out even, with the nearest number that does.
    """
    shared, each = at_once * devices, answers or 1
    if rows % shared:
        unit = shared // math.gcd(shared, each)
        nearest = max(1, round(rows / each / unit)) * unit
        smaller = [size for size in range(1, at_once) if rows % (size * devices) == 0]
        raise BadSettings(
            f"a step's {rows} rows cannot be shared by {devices} devices with {at_once} at once: take "
            f"{'--prompts' if answers else '--rows'} {nearest}"
            + (f", or --micro-batch {smaller[-1]}" if smaller else "")
        )
    return rows // shared


def read_shared_clock() -> float:
    """Return the time of the first process, which all call for at once.

    By clocks of their own they would learn at different rates.
    """
    (now_s,) = broadcast_object_list([time.monotonic()])
    return float(now_s)
