"""The values that make up one fine-tuning run."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.runs.profiles import ResolvedProfile
from training.sft.profiles import SftProfile

DIRECTORY = "sft"


@dataclass(frozen=True, slots=True)
class SftRun:
    """The model to start from, the set, and the profile; `out` is where the checkpoint goes."""

    start: Checkpoint
    resolved: ResolvedProfile[SftProfile]
    data: Path
    out: Path
    seed: int
    threads: int

    @property
    def directory(self) -> Path:
        """The run directory: configuration, log, and unfinished work."""
        return self.out / DIRECTORY

    @property
    def profile(self) -> SftProfile:
        return self.resolved.values
