"""The values that make up one GRPO run, and the places of its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.grpo import validation
from training.grpo.profiles import GrpoProfile, Stage
from training.grpo.validation import ValidationResult
from training.runs.profiles import ResolvedProfile

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
        """The run directory: configuration, log, validations, and unfinished work."""
        return self.out / DIRECTORY

    @property
    def profile(self) -> GrpoProfile:
        return self.resolved.values

    @property
    def is_one_turn(self) -> bool:
        """True when the model answers Query 2 alone, without crops."""
        return self.stage == 2 and self.profile.box_source == "none"

    def locate_weights(self, step: int) -> Path:
        """Return the directory for the weights of a step while the run may still choose them."""
        return self.directory / f"weights-{step}"

    def choose_result(self, results: Sequence[ValidationResult]) -> ValidationResult:
        """Return the result whose weights are kept; the first of `results` is the start's."""
        return results[-1] if self.profile.kept == "last" else validation.select_best(self.stage, results)
