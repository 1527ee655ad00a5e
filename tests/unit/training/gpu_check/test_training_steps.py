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


def test_on_gpus_answers_are_sampled_by_colocated_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CheckRow(name="GRPO step", values={"sampling_logp_difference": 0.01})
    row, options = run_grpo(step, tmp_path, monkeypatch)
    assert row == step
    assert "vllm_colocate" in options


def test_a_sampler_that_sees_other_prompts_fails_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CheckRow(name="GRPO step", values={"sampling_logp_difference": 4.2})
    row, _ = run_grpo(step, tmp_path, monkeypatch)
    assert (row.outcome, row.values) == ("failed", step.values)
    assert "different prompts" in row.detail


def test_a_step_that_failed_keeps_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CheckRow(name="GRPO step", outcome="failed", detail="out of memory")
    assert run_grpo(step, tmp_path, monkeypatch)[0] == step
