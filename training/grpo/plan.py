"""What one GRPO run is: which model, by which profile, from which sets, and where its parts lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.grpo import validation
from training.grpo.profiles import Profile, Stage
from training.grpo.validation import Result
from training.runs.profiles import Resolved

RECORD = "grpo"
FIRST_SCENE = 50_000
"""of a seed's 100,000 scenes; fine-tuning has those before it"""
VALIDATION_SCENE = 7_000_000
SCENES = 1500


@dataclass(frozen=True, slots=True)
class Plan:
    """Which model, what it learns from, what decides, and by which profile.

    `refused` is where the last weights go when the start is kept; None: nowhere.
    """

    start: Checkpoint
    stage: Stage
    resolved: Resolved[Profile]
    data: Path
    validation: Path
    out: Path
    seed: int
    minutes: float
    threads: int
    refused: Path | None = None

    @property
    def record(self) -> Path:
        return self.out / RECORD

    @property
    def profile(self) -> Profile:
        return self.resolved.values

    def weights(self, step: int) -> Path:
        """Where those of a step are while the run may still choose them."""
        return self.record / f"weights-{step}"

    @property
    def in_one_turn(self) -> bool:
        """Whether Query 2 is all that is asked, without crops."""
        return self.stage == 2 and self.profile.box_source == "none"

    def chosen(self, results: Sequence[Result]) -> Result:
        """Whose weights are kept, of results whose first is the start's."""
        return results[-1] if self.profile.kept == "last" else validation.best(self.stage, results)
