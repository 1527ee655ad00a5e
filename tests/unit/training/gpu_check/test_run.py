from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import BadSettings
from training.common.machine import GIB, Machine
from training.gpu_check import dummy_checkpoint, run, serving, training_steps
from training.gpu_check.plan import CheckPlan, build_plan
from training.gpu_check.rows import CheckRow

H200, A100 = round(139.8 * GIB), round(39.4 * GIB)


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for what needs GPUs: vLLM's build, the weights, the engine, and the steps."""

    async def serve(plan: CheckPlan, report: Callable[[CheckRow], None], *, seconds: float) -> None:
        del seconds
        report(CheckRow(name=f"served over {plan.tensor_parallel}"))

    monkeypatch.setattr(run, "is_cpu_build", lambda: False)
    monkeypatch.setattr(dummy_checkpoint, "write_dummy_checkpoint", lambda *_, **__: None)
    monkeypatch.setattr(serving, "check_serving", serve)
    for name in ("check_sft_step", "check_grpo_step"):
        row = CheckRow(name=name)
        monkeypatch.setattr(training_steps, name, lambda _plan, *, seconds, row=row: row)


def check(size: str, here: Machine, tmp_path: Path, *, spread: int = 1) -> dict[str, CheckRow]:
    plan = build_plan(size, tmp_path, on_cpu=False, layers=None, tensor_parallel=spread, minutes=10)
    rows: list[CheckRow] = []
    run.run_check(plan, here, rows.append)
    return {row.name: row for row in rows}


def test_one_gpu_skips_tensor_parallelism(tmp_path: Path) -> None:
    rows = check("7b", Machine(("H200",), H200), tmp_path)
    assert rows["tensor parallelism 2"].outcome == "skipped"
    assert {"served over 1", "check_sft_step", "check_grpo_step", "memory of serving"} <= rows.keys()


def test_two_gpus_serve_once_more_over_both(tmp_path: Path) -> None:
    rows = check("7b", Machine(("H200",) * 2, H200), tmp_path)
    assert {"served over 1", "tensor parallelism 2: served over 2"} <= rows.keys()


def test_a_model_that_is_spread_already_is_served_once(tmp_path: Path) -> None:
    rows = check("32b", Machine(("A100",) * 4, A100), tmp_path, spread=4)
    assert [name for name in rows if "served" in name] == ["served over 4"]


def test_a_step_that_cannot_fit_is_skipped_with_its_memory(tmp_path: Path) -> None:
    rows = check("32b", Machine(("A100",) * 4, A100), tmp_path, spread=4)
    assert rows["SFT step"].outcome == "skipped"
    assert "GiB on one GPU, which has 39.4" in rows["SFT step"].detail


def test_without_a_gpu_nothing_is_tried(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no GPU"):
        check("7b", Machine((), 0), tmp_path)


@pytest.mark.parametrize(
    ("size", "gpus", "memory_bytes", "spread"),
    [
        ("7b", 1, H200, 1),
        ("7b", 8, A100, 1),
        ("32b", 1, H200, 1),
        ("32b", 8, H200, 1),
        ("32b", 4, A100, 4),
        ("32b", 3, A100, 2),
    ],
)
def test_an_engine_takes_as_many_gpus_as_its_weights_need(size: str, gpus: int, memory_bytes: int, spread: int) -> None:
    assert run.choose_tensor_parallel(size, Machine(("GPU",) * gpus, memory_bytes)) == spread


def test_parts_after_the_deadline_are_failed_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 1.0, 1.0, *[700.0] * 3])  # the first part begins in time
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(times)))
    rows = check("7b", Machine(("H200",), H200), tmp_path)
    assert [name for name, row in rows.items() if "not reached" in row.detail] == [
        "tensor parallelism 2",
        "SFT step",
        "GRPO step",
    ]
