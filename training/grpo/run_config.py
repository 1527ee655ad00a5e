"""The values that make up one GRPO run, and the places of its files."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.grpo.profiles import GrpoProfile, Stage
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
        """The run directory: configuration, log, validations with their predictions, and unfinished work."""
        return self.out / DIRECTORY

    @property
    def profile(self) -> GrpoProfile:
        return self.resolved.values

    @property
    def is_one_turn(self) -> bool:
        """True when the model answers Query 2 alone, without crops."""
        return self.stage == 2 and self.profile.box_source == "none"

    def locate_predictions(self, name: str) -> Path:
        """Return the file for the predictions of one set of weights over the validation images."""
        return self.directory / f"predictions-{name}.json"
