"""Reads the memory and the CPU cores that this process may use: the limits of its container, else the machine's."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def read_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Return the memory that all processes of the container may use together."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # version 2 of cgroups, then version 1
        limits += _read_numbers(cgroup / name)
    return min(limits)


def count_cores(cgroup: Path = CGROUP) -> int:
    """Return the cores that the container may keep busy, at least one."""
    limits = [len(os.sched_getaffinity(0))]
    numbers = _read_numbers(cgroup / "cpu.max")
    numbers = numbers or [n for name in ("quota", "period") for n in _read_numbers(cgroup / f"cpu/cpu.cfs_{name}_us")]
    if len(numbers) == 2:  # microseconds of work allowed in each period
        quota, period = numbers
        limits.append(max(1, quota // period))
    return min(limits)


def _read_numbers(path: Path) -> list[int]:
    """Return the positive numbers in a file of the kernel: "max" and -1 stand for no limit."""
    try:
        return [int(word) for word in path.read_text().split() if word.isdigit()]
    except OSError:
        return []
