import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.__main__ import main
from training.common.machine import GIB, Machine
from training.gpu_check import run as gpu_run
from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CheckRow


def run_command(tmp_path: Path, *options: str) -> int:
    return main(["gpu-check", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "gpu.json"), *options])


def test_without_a_gpu_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Machine, "read", lambda: Machine((), 0))
    assert run_command(tmp_path) == 2
    assert "there is no GPU here" in capsys.readouterr().err
    assert not (tmp_path / "gpu.json").exists()


def test_a_gpu_beside_the_cpu_build_of_vllm_is_refused_before_weights_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Machine, "read", lambda: Machine(("H100",), 80 * GIB))
    assert run_command(tmp_path, "--tensor-parallel", "1") == 2
    assert "PINS=gpu" in capsys.readouterr().err


@pytest.mark.parametrize(("outcome", "code"), [("ok", 0), ("skipped", 0), ("failed", 1)])
def test_a_failed_row_is_the_exit_code_and_weights_are_deleted(
    outcome: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(plan: CheckPlan, here: Machine, report: Callable[[CheckRow], None]) -> None:
        del here
        plan.checkpoint.mkdir(parents=True)
        report(CheckRow.model_validate({"name": "engine start", "outcome": outcome}))

    monkeypatch.setattr(gpu_run, "run_check", check)
    assert run_command(tmp_path, "--cpu", "--size", "3b") == code
    assert json.loads((tmp_path / "gpu.json").read_text())["failed"] == code
    assert f"1 {outcome}" in capsys.readouterr().out
    assert not (tmp_path / "work/dummy-3b").exists()
