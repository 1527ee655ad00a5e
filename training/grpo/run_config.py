"""The values that make up one GRPO run, and the places of its files."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.grpo.profiles import GrpoProfile, Stage
from training.runs.profiles import ResolvedProfile
from training.validation.plan import ValidationPlan

DIRECTORY = "grpo"


@dataclass(frozen=True, slots=True)
class GrpoRun:
    """The model to start from, the set to learn from, the set that decides, and the profile.

    `refused` is where the last weights go when the start is kept; None: nowhere.
    """

    start: Checkpoint
    stage: Stage
    resolved: ResolvedProfile[GrpoProfile]
    data: Path
    validation: Path
    out: Path
    seed: int
    minutes: float
    threads: int
    refused: Path | None = None

    @property
    def directory(self) -> Path:
        """The run directory: configuration, log, validations with their predictions, and unfinished work."""
        return self.out / DIRECTORY

    @property
    def profile(self) -> GrpoProfile:
        return self.resolved.values

    @property
    def is_one_turn(self) -> bool:
        """True when the model answers Query 2 alone, without crops."""
        return self.stage == 2 and self.profile.box_source == "none"

    @property
    def validation_plan(self) -> ValidationPlan:
        return ValidationPlan(
            self.validation,
            self.directory,
            self.profile,
            is_one_turn=self.is_one_turn,
            has_colocated_engine=self.profile.generation == "vllm_colocate",
        )
