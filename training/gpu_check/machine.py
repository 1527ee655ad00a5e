"""Refuse a machine without GPUs, and measure the memory that child processes take on its devices."""

import subprocess
import threading
from typing import Self

import psutil
import torch

from pipeline.errors import BadSettings
from training.common.machine import Machine

POLL_INTERVAL_S = 0.5
MEBI = 2**20


def refuse_missing_gpu(machine: Machine) -> None:
    """Raise where there is nothing to check. Raises: BadSettings."""
    if machine.devices:
        return
    cuda = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    raise BadSettings(
        f"there is no GPU here that torch {torch.__version__} sees, which is built {cuda} (`nvidia-smi` lists GPUs); "
        "--cpu runs the same checks on two layers of the shape"
    )


class MemoryMeter:
    """Keeps the peak of the memory in use: of the GPUs, or without one of this process's children (RSS)."""

    def __init__(self, *, on_cpu: bool) -> None:
        self._on_cpu = on_cpu
        self._peak_mib = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-meter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def peak_gib(self) -> float:
        return round(self._peak_mib / 1024, 1)

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL_S):
            used = _read_children_mib() if self._on_cpu else read_gpus_mib()
            self._peak_mib = max(self._peak_mib, used)


def read_gpus_mib() -> float:
    """Return the memory in use on the fullest GPU."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return max((float(line) for line in done.stdout.split() if line.isdigit()), default=0.0)


def _read_children_mib() -> float:
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / MEBI
