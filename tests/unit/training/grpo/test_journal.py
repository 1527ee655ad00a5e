from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from training.grpo import profiles as grpo_profiles
from training.grpo.journal import GrpoJournal
from training.runs.budget import Budget, Clock
from training.runs.run_log import RunLog

FIGURES = {"reward": 1.5, "rewards/r_iou/mean": 0.5, "boxes": 2.0, "step_time": 4.0}


class Run:
    """A journal with the clock in hand and what it had validated."""

    def __init__(self, directory: Path, **changes: object) -> None:
        self.now_s = 0.0
        self.validated: list[int] = []
        self.log = RunLog(directory / "log.jsonl")
        self.args = TrainingArguments(output_dir=str(directory), use_cpu=True)
        profile = grpo_profiles.resolve_grpo_profile("tiny", 1, {"steps": 5, "validate_every": 2} | changes).values
        clock, budget = Clock(now=lambda: self.now_s), Budget(profile.steps, seconds=100.0)
        self.journal = GrpoJournal(profile, "GRPO", budget, clock, self.log, self.validated.append)

    def step(self, number: int, *, first: bool = True) -> bool:
        """Whether the run is to stop."""
        state = TrainerState(global_step=number, is_world_process_zero=first)
        return self.journal.on_step_end(self.args, state, TrainerControl()).should_training_stop


def test_weights_are_validated_every_so_often(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert [run.step(number) for number in range(1, 6)] == [False] * 4 + [True]
    assert run.validated == [2, 4]


def test_a_run_whose_time_is_over_ends(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.now_s = 101.0
    assert run.step(1)


def test_a_step_s_line_has_its_pace_without_the_tokens_of_earlier_runs(tmp_path: Path) -> None:
    run, state = Run(tmp_path), TrainerState(global_step=3)
    state.num_input_tokens_seen = 1000
    run.journal.on_train_begin(run.args, state, TrainerControl())
    state.num_input_tokens_seen = 1800
    run.journal.on_log(run.args, state, TrainerControl(), FIGURES)
    run.journal.on_log(run.args, state, TrainerControl(), {"train_runtime": 9.0})
    (line,) = run.log.read()
    assert (line["step"], line["step_s"], line["tokens_per_s"]) == (3, 4.0, 200.0)


def test_of_several_processes_the_first_one_writes_and_all_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = Run(tmp_path), TrainerState(global_step=2, is_world_process_zero=False)
    run.step(2, first=False)
    run.journal.on_log(run.args, other, TrainerControl(), FIGURES)
    assert run.validated == [2]
    assert run.log.read() == []
    assert capsys.readouterr().err == ""
