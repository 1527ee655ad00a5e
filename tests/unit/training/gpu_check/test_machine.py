import subprocess
import sys
import time
from pathlib import Path

import pytest
from psutil import Process

from pipeline.errors import BadSettings
from training.common.machine import GIB, Machine
from training.gpu_check import machine
from training.gpu_check.machine import MemoryMeter

ALLOCATING = "import sys; block = bytearray(80 << 20); print('ready', flush=True); sys.stdin.read()"


def test_a_machine_without_gpus_is_told_what_it_can_do() -> None:
    with pytest.raises(BadSettings, match=r"no GPU here .*--cpu"):
        machine.refuse_missing_gpu(Machine((), 0))
    machine.refuse_missing_gpu(Machine(("H200",), 139 * GIB))


def test_without_gpus_the_meter_counts_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "POLL_INTERVAL_S", 0.01)
    with MemoryMeter(on_cpu=True) as memory:
        child = subprocess.Popen(
            [sys.executable, "-c", ALLOCATING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        monkeypatch.setattr(machine.psutil.Process, "children", lambda _self, recursive: [Process(child.pid)])
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        ends_s = time.monotonic() + 20
        while memory.peak_gib < 0.1 and time.monotonic() < ends_s:
            time.sleep(0.01)
        child.communicate(timeout=20)
    assert 0.1 <= memory.peak_gib < 1


@pytest.mark.parametrize(("printed", "peak"), [("1024\n2048\n", 2.0), ("[N/A]\n", 0.0)])
def test_with_gpus_the_meter_reads_the_fullest(
    printed: str, peak: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{printed}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.read_gpus_mib() / 1024 == peak
