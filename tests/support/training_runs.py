"""A start and sets for runs of training that take seconds, and what tests read of such runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CheckpointCard
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.runs.run_log import Line, RunLog
from training.synthetic import scene_files
from training.tiny_model import architecture, tiny, vocabulary

TIMEOUT_S = 600.0  # for what takes seconds, on a busy machine


@dataclass(frozen=True, slots=True)
class TrainingGround:
    """An untrained tiny model and eight scenes."""

    model: Path
    data: Path

    @classmethod
    def build(cls, directory: Path) -> "TrainingGround":
        tokenizer = vocabulary.train_tokenizer()
        card = CheckpointCard(**tiny.CARD)
        tiny.write_tiny_checkpoint(architecture.build_tiny_model(tokenizer, 0), tokenizer, directory / "model", card)
        data = scene_files.write_scenes(directory / "data", count=8, first_seed=40, workers=1).parent
        return cls(directory / "model", data)

    def build_arguments(self, out: Path, *more: str) -> list[str]:
        plain = ["--profile", "tiny", "--rows", "2", "--micro-batch", "2", "--save-every", "2", "--epochs", "1.5"]
        return ["sft", str(self.model), "--data", str(self.data), "--out", str(out), *plain, *more]


def write_split_scenes(directory: Path, splits: Sequence[Split]) -> Path:
    """Write a scene for each split as one set; return its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = [scene_files.write_scene(directory, seed) for seed in range(len(splits))]
    entries = [entry.model_copy(update={"split": split}) for entry, split in zip(drawn, splits, strict=True)]
    return manifest.write_manifest(directory, entries).parent


def read_log(run_directory: Path) -> list[Line]:
    """Read the complete lines of a run's log of steps."""
    return RunLog(run_directory / "log.jsonl").read()
