from pathlib import Path

import pytest

from training.gpu_check import training_steps
from training.gpu_check.plan import CheckPlan, build_plan
from training.gpu_check.rows import CheckRow


def run_grpo(step: CheckRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CheckRow, list[str]]:
    """Return the row of a GRPO step that ended with the row `step`, and the options it was run with."""
    given: list[str] = []

    def stand_in(plan: CheckPlan, verb: str, options: list[str], log: Path, seconds: float) -> CheckRow:
        del plan, verb, log, seconds
        given.extend(options)
        return step

    monkeypatch.setattr(training_steps, "_run_step", stand_in)
    plan = build_plan("7b", tmp_path, on_cpu=False, layers=None, tensor_parallel=1, minutes=10)
    return training_steps.check_grpo_step(plan, seconds=1), given


def test_on_gpus_answers_are_sampled_by_colocated_vllm_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CheckRow(name="GRPO step", values={"sampling_logp_difference": 0.01})
    row, options = run_grpo(step, tmp_path, monkeypatch)
    assert row == step
    assert "vllm_colocate" in options
    assert "--no-mask-truncated" in options, "cut answers, which are all of random weights, would not be compared"


def test_a_step_whose_sampler_was_not_compared_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row, _ = run_grpo(CheckRow(name="GRPO step", values={"step_s": 1.0}), tmp_path, monkeypatch)
    assert (row.outcome, row.values) == ("failed", {"step_s": 1.0})
    assert "not compared" in row.detail


def test_a_step_that_failed_keeps_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CheckRow(name="GRPO step", outcome="failed", detail="out of memory")
    assert run_grpo(step, tmp_path, monkeypatch)[0] == step
