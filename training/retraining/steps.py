"""Run the steps of a night one after the other; a step whose result is on disk is not run again.

Invariant: a result names the inputs of its step and those of every step before it, so a changed value of the
configuration repeats the first step that it concerns and all behind it, and nothing else.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ZoomInError
from training.common.journal import build_key
from training.common.whole_file import write_whole
from training.errors import TrainingFailed

FOLDER = "steps"


class StepResult(BaseModel):
    """A step that is done: a sentence about it, its values, and its seconds in the process that finished it.

    `ends_night`: nothing is run behind it, as behind a gate that refuses.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    key: str
    sentence: str
    values: dict[str, Any]
    seconds: float
    ends_night: bool


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The result of a step before it is stored. `earlier_s` are seconds of the step from before it was run."""

    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    ends_night: bool = False
    earlier_s: float = 0.0


Results = Mapping[str, StepResult]
"""the steps that are done, by name"""


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its name, a title for readers, all that decides about its result, and its work.

    The work may be killed at any time and is then repeated; it leaves nothing that a repetition stumbles over.
    """

    name: str
    title: str
    inputs: Mapping[str, Any]
    work: Callable[[Results], StepOutcome]


class Observer(Protocol):
    """Sees how a night goes on."""

    def begin(self, step: Step) -> None: ...

    def end(self, step: Step, result: StepResult) -> None:
        """See a result, also one that an earlier process stored."""

    def fail(self, step: Step, sentence: str) -> None: ...


def run_steps(
    steps: Sequence[Step],
    directory: Path,
    observer: Observer,
    *,
    before_each: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, StepResult]:
    """Run the steps that are not done, in order; `before_each` may raise to stop before a step.

    Raises: what a step or `before_each` raises, with the step and the way to go on in its sentence.
    """
    results: dict[str, StepResult] = {}
    key = ""
    for step in steps:
        key = build_key(key, step.name, json.dumps(step.inputs, sort_keys=True, default=str))
        result = read_step_result(directory, step.name)
        if result is None or result.key != key:
            result = _run_step(step, key, results, directory, observer, before_each, clock)
        observer.end(step, result)
        results[step.name] = result
        if result.ends_night:
            break
    return results


def read_step_result(directory: Path, name: str) -> StepResult | None:
    """Read the result of a step; None if it is not done, or its file is not of this version's form."""
    try:
        return StepResult.model_validate_json((directory / FOLDER / f"{name}.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _run_step(
    step: Step,
    key: str,
    results: Results,
    directory: Path,
    observer: Observer,
    before_each: Callable[[], None],
    clock: Callable[[], float],
) -> StepResult:
    try:
        before_each()
        observer.begin(step)
        began = clock()
        outcome = step.work(results)
        result = StepResult(
            name=step.name,
            key=key,
            sentence=outcome.sentence,
            values=dict(outcome.values),
            seconds=round(clock() - began + outcome.earlier_s, 2),
            ends_night=outcome.ends_night,
        )
        _store(directory, result)
    except ZoomInError as error:
        error.detail = _explain(step, error.detail)
        observer.fail(step, error.detail)
        raise
    except OSError as error:
        failed = TrainingFailed(_explain(step, f"{error}; make room there, or check the path"))
        observer.fail(step, failed.detail)
        raise failed from error
    return result


def _store(directory: Path, result: StepResult) -> None:
    (directory / FOLDER).mkdir(parents=True, exist_ok=True)
    with write_whole(directory / FOLDER / f"{result.name}.json") as unfinished:
        unfinished.write_text(result.model_dump_json(indent=2) + "\n")


def _explain(step: Step, reason: str) -> str:
    return f"{step.title}: {reason}; the champion is as before, and the same command goes on with this step"
