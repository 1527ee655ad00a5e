import os
from pathlib import Path

import pytest

from pipeline.machine import count_cores, read_memory_bytes

GIB = 1 << 30
CORES = len(os.sched_getaffinity(0))


def test_without_a_limit_all_of_the_machine_may_be_used(tmp_path: Path) -> None:
    everything = read_memory_bytes(tmp_path)
    assert everything > GIB // 4
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert read_memory_bytes(tmp_path) == everything
    assert count_cores(tmp_path) == CORES


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_memory_limit_of_the_container_counts(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{GIB // 8}\n")
    assert read_memory_bytes(tmp_path) == GIB // 8
    path.write_text(f"{1 << 62}\n")  # version 1 writes a huge number for no limit
    assert read_memory_bytes(tmp_path) == read_memory_bytes(tmp_path / "nothing")


@pytest.mark.parametrize(("limit", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("900000000 100000", CORES)])
def test_the_quota_of_the_container_counts(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert count_cores(tmp_path) == cores


def test_the_quota_is_read_in_the_first_version_of_cgroups_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert count_cores(tmp_path) == CORES
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("100000\n")
    assert count_cores(tmp_path) == 1
