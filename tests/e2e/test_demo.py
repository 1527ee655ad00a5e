"""`zoomin demo` through its command line, with the tiny model in real vLLM."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.paths import MODEL

pytestmark = pytest.mark.timeout(1200)
IMAGES = 12


def start_demo(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "worker", "demo", *arguments],
        env=os.environ | {"ZOOMIN_ENGINE__MODEL": str(MODEL)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_command(process: psutil.Process) -> list[str]:
    """Read the command line; empty if the process has ended, as short helper processes of libraries do."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_it_ends_with_every_image_answered_and_a_page_of_evidence(tmp_path: Path) -> None:
    with start_demo("--images", str(IMAGES), "--out", str(tmp_path), "--json") as child:
        output, errors = child.communicate()
    assert child.returncode == 0, errors
    summary = json.loads(output.splitlines()[-1])
    assert summary.keys() == {"images", "answered", "acc", "i_acc", "acc_published", "corrected", "seconds", "report"}
    assert (summary["images"], summary["answered"]) == (IMAGES, IMAGES)
    report = Path(summary["report"]).read_text()
    assert report.count("<article") == report.count("data:image/webp") == IMAGES
    assert all(f"{summary[name]:.1%}" in report for name in ("acc", "i_acc", "acc_published"))
    assert errors.count("scene-") == IMAGES


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with start_demo("--images", "4", "--out", str(tmp_path)) as child:
        assert child.stdout is not None
        assert any("waiting for verdicts" in line for line in child.stdout)
        family = psutil.Process(child.pid).children(recursive=True)
        assert any("kafka.Kafka" in read_command(process) for process in family)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
