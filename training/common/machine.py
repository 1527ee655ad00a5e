"""Describe the machine that a run uses: its GPUs, or without one its CPU."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Machine:
    """`devices` are the names of the GPUs; `memory_gib` is that of the smallest."""

    devices: tuple[str, ...]
    memory_gib: float

    @classmethod
    def read(cls) -> Self:
        """Read the GPUs that torch sees; nothing is started on them."""
        found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        smallest = min((device.total_memory for device in found), default=0)
        return cls(tuple(device.name for device in found), round(smallest / GIB, 1))

    def describe(self, *, used: int, threads: int) -> str:
        """Describe what an engine runs on: `used` of the GPUs by name, or without one the CPU and its threads."""
        if self.devices:
            return f"{used} x {self.devices[0]}"
        return f"{read_cpu_name()}, {threads} threads"


def read_cpu_name() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
