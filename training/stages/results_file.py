"""The result of the experiment on file: every arm's metrics, what it added, and the outcome of every claim."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import BadSettings
from training.common.resampling import Metric
from training.common.whole_file import write_whole
from training.stages.claims import Outcome

_STRICT = ConfigDict(frozen=True, extra="forbid")


class RewardSummary(BaseModel):
    """The weighted reward of a phase: mean of its first and last fifth of steps, and deviation in a prompt's answers.

    `zero_variance_share` is the share of prompts whose answers all have the same reward: they teach nothing.
    """

    model_config = _STRICT
    first: float | None
    last: float | None
    std: float | None
    zero_variance_share: float | None


class Effort(BaseModel):
    """What one seed of an arm took: sampled answers (none for the control), minutes, and the rewards by phase."""

    model_config = _STRICT
    answers: int
    minutes: float
    rewards: dict[str, RewardSummary] = {}


class ArmResult(BaseModel):
    """One arm over all seeds, with differences to the start and to the control where that was trained."""

    model_config = _STRICT
    title: str
    seeds: list[int]
    metrics: dict[str, Metric]
    added_to_start: dict[str, Metric]
    added_to_control: dict[str, Metric] | None
    efforts: dict[int, Effort]


class ClaimResult(BaseModel):
    """One claim: the difference over all scenes, by seed, and over the scenes that both arms answer readably."""

    model_config = _STRICT
    name: str
    text: str
    metric: str
    arm: str
    against: str
    sign: int
    outcome: Outcome
    difference: Metric | None = None
    by_seed: dict[int, float | None] = {}
    readable: Metric | None = None
    readable_outcome: Outcome = "not tested"
    readable_scenes: int = 0
    over_control: Metric | None = None


class StagesResult(BaseModel):
    """The whole experiment; `plan` is everything that decides it."""

    model_config = _STRICT
    commit: str
    date: str
    engine: str
    start: str
    start_note: str
    plan: dict[str, Any]
    seeds: list[int]
    arms: dict[str, ArmResult]
    claims: list[ClaimResult]

    def count_finished(self) -> int:
        """Count the arms that are judged, over all seeds; a start counts too."""
        return sum(len(arm.seeds) for arm in self.arms.values())


def read_result(file: Path) -> StagesResult | None:
    """Return the result; None when there is no such file. Raises: BadSettings when it cannot be read."""
    if not file.is_file():
        return None
    try:
        return StagesResult.model_validate_json(file.read_bytes())
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadSettings(f"{file}: {place}: {error.errors()[0]['msg']}; correct it or remove the file") from error


def write_result(file: Path, result: StagesResult) -> None:
    """Replace the file, which readers see before or after the change, never between.

    Raises: BadSettings when the file has more finished arms than the result.
    """
    refuse_fuller(file, result.count_finished())
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(file) as unfinished:
        unfinished.write_text(result.model_dump_json(indent=1) + "\n")


def refuse_fuller(file: Path, finished: int) -> None:
    """Refuse to replace a result that has more finished arms than a run. Raises: BadSettings."""
    earlier = read_result(file)
    if earlier is not None and earlier.count_finished() > finished:
        raise BadSettings(
            f"{file} has {earlier.count_finished()} finished arms of all seeds, and this run would replace them by "
            f"{finished}; name another file with --results, or with --out the directory that the result came from"
        )
