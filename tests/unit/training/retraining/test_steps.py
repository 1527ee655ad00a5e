import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.errors import BadSettings, ZoomInError
from training.errors import LeaseHeld, TrainingFailed
from training.retraining.steps import Results, Step, StepOutcome, StepResult, read_step_result, run_steps

NAMES = ("snapshot", "sft", "calibrate", "gate", "push", "promote")


class Killed(BaseException):
    """A kill: nothing of the process runs after it."""


@dataclass
class Recorder:
    """Steps that count their runs, and an observer that notes what it sees."""

    directory: Path
    ran: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    killed_at: str = ""
    work: dict[str, Callable[[Results], StepOutcome]] = field(default_factory=dict)
    inputs: dict[str, dict[str, object]] = field(default_factory=dict)

    def run(self, before_each: Callable[[], None] = lambda: None) -> dict[str, StepResult]:
        steps = [
            Step(
                name, name.capitalize(), self.inputs.get(name, {}), lambda results, name=name: self._work(name, results)
            )
            for name in NAMES
        ]
        return run_steps(steps, self.directory, self, before_each=before_each, clock=lambda: 0.0)

    def begin(self, step: Step) -> None:
        self.seen.append(f"begin {step.name}")

    def end(self, step: Step, result: StepResult) -> None:
        self.seen.append(f"end {step.name}")

    def fail(self, step: Step, sentence: str) -> None:
        self.seen.append(f"fail {step.name}")

    def _work(self, name: str, results: Results) -> StepOutcome:
        if name == self.killed_at:
            raise Killed
        self.ran.append(name)
        if name in self.work:
            return self.work[name](results)
        return StepOutcome(f"{name} is done", {"before": list(results)})


@pytest.mark.parametrize("name", NAMES)
def test_a_night_killed_at_any_step_goes_on_with_it(name: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, killed_at=name)
    with pytest.raises(Killed):
        recorder.run()
    assert recorder.ran == list(NAMES[: NAMES.index(name)])
    recorder.killed_at = ""
    results = recorder.run()
    assert recorder.ran == list(NAMES), "no step ran twice"
    assert results["promote"].values == {"before": list(NAMES[:-1])}


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_was_cut_off_is_no_result(name: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.run()
    (tmp_path / "steps" / f"{name}.json").write_text('{"name": "')
    recorder.run()
    assert recorder.ran == [*NAMES, name]


def test_a_finished_night_runs_nothing_and_is_told_as_it_was(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    first = recorder.run()
    recorder.seen.clear()
    assert recorder.run() == first
    assert recorder.seen == [f"end {name}" for name in NAMES]
    assert len(recorder.ran) == len(NAMES)


def test_a_changed_value_repeats_its_step_and_all_behind_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, inputs={"calibrate": {"risk": 0.02}})
    recorder.run()
    recorder.ran.clear()
    recorder.inputs = {"calibrate": {"risk": 0.05}}
    recorder.run()
    assert recorder.ran == ["calibrate", "gate", "push", "promote"]


def test_nothing_follows_a_gate_that_refuses(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, work={"gate": lambda _: StepOutcome("refused", ends_night=True)})
    for _ in range(2):
        assert list(recorder.run()) == ["snapshot", "sft", "calibrate", "gate"]
    assert recorder.ran == ["snapshot", "sft", "calibrate", "gate"]


def fail(error: Exception) -> StepOutcome:
    raise error


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            BadSettings("too few rows"),
            BadSettings,
            "Sft: too few rows; the champion is as before, and the same command",
        ),
        (OSError(28, "No space left on device"), TrainingFailed, "Sft: .*No space left on device; make room there"),
    ],
)
def test_a_step_that_fails_says_how_to_go_on(
    error: Exception, kind: type[ZoomInError], sentence: str, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path, work={"sft": lambda _: fail(error)})
    with pytest.raises(kind) as failed:
        recorder.run()
    assert re.match(sentence, failed.value.detail)
    assert recorder.seen[-1] == "fail sft"
    assert read_step_result(tmp_path, "sft") is None
    recorder.work.clear()
    recorder.run()
    assert recorder.ran == ["snapshot", "sft", *NAMES[1:]]


def test_a_night_that_was_overtaken_starts_no_step(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    checks: list[None] = []

    def check() -> None:
        checks.append(None)
        if len(checks) > 2:
            raise LeaseHeld("another process took over the night")

    with pytest.raises(LeaseHeld) as overtaken:
        recorder.run(check)
    assert overtaken.value.detail.startswith("Calibrate: another process took over the night")
    assert recorder.ran == ["snapshot", "sft"]
