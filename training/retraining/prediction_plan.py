"""Predictions that a night wants of its checkpoints, and the files that they go to."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from training.dataset import splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import samples, stored_predictions
from training.evaluation.metrics import Prediction


class PredictedSet(BaseModel):
    """A set of which at most `count` test images are predicted, as many of each class where there are enough."""

    model_config = ConfigDict(frozen=True)
    name: str
    data: Path
    count: int
    checkpoints: list[str]

    def list_entries(self) -> list[LabeledImage]:
        """List the images, always the same."""
        return samples.draw_balanced(splits.read_split(self.data, Split.TEST), self.count)


class PredictionPlan(BaseModel):
    """Checkpoints by name, and the sets that each of them predicts; answers have `tokens` at most."""

    model_config = ConfigDict(frozen=True)
    checkpoints: dict[str, Path]
    sets: list[PredictedSet]
    directory: Path
    tokens: int
    threads: int

    def locate(self, predicted: PredictedSet, checkpoint: str) -> Path:
        return self.directory / f"{predicted.name}-{checkpoint}.json"

    def read(self, predicted: PredictedSet) -> dict[str, list[Prediction]]:
        """Read the predictions of a set by checkpoint, in the order of the set."""
        return {
            name: stored_predictions.read_predictions(self.locate(predicted, name))[0]["own"]
            for name in predicted.checkpoints
        }
