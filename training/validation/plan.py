"""The validation of one run: its images, who answers for the weights, and where answers are kept."""

from dataclasses import dataclass
from pathlib import Path

from training.validation.profile import ValidatedProfile


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """The set that decides, the run directory, and the profile's values.

    In one turn the model answers Query 2 alone. With `has_colocated_engine` the run's processes keep a vLLM engine, and
    no other one may start beside it.
    """

    data: Path
    directory: Path
    profile: ValidatedProfile
    is_one_turn: bool = False
    has_colocated_engine: bool = False

    def locate_predictions(self, name: str) -> Path:
        """Return the file for the predictions of one set of weights over the validation images."""
        return self.directory / f"predictions-{name}.json"
