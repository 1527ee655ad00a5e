"""The values that make up one fine-tuning run."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.runs.profiles import ResolvedProfile
from training.sft.profiles import SftProfile
from training.validation.plan import ValidationPlan

DIRECTORY = "sft"


@dataclass(frozen=True, slots=True)
class SftRun:
    """The model to start from, the set, and the profile; `out` is where the checkpoint goes.

    `validation` is the set that decides where the profile keeps the better weights, and `refused` is where trained
    weights go when the start is kept; None: nowhere.
    """

    start: Checkpoint
    resolved: ResolvedProfile[SftProfile]
    data: Path
    out: Path
    seed: int
    threads: int
    validation: Path
    refused: Path | None = None

    @property
    def directory(self) -> Path:
        """The run directory: configuration, log, and unfinished work."""
        return self.out / DIRECTORY

    @property
    def is_validated(self) -> bool:
        """True when validation decides which weights are published."""
        return self.profile.kept == "better"

    @property
    def validation_plan(self) -> ValidationPlan:
        return ValidationPlan(self.validation, self.directory, self.profile)

    @property
    def profile(self) -> SftProfile:
        return self.resolved.values
