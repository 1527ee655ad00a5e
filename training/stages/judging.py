"""The held-out scenes of the experiment, and the predictions of a published checkpoint, made once."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.engine.run import OnEngine, build_setup
from training.engine.stored_answers import VersionedEngine
from training.evaluation import evaluate, samples, stored_predictions
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.settings import TrainSettings
from training.stages.differences import ANNOTATED, OWN
from training.synthetic import scene_files, scenes

PASSES = {name: evaluate.PASSES[name] for name in (OWN, ANNOTATED)}


class Judge:
    """Judges checkpoints on the same scenes; predictions on disk are read, not repeated."""

    def __init__(self, directory: Path, count: int, settings: TrainSettings, on_engine: OnEngine) -> None:
        self._directory = directory
        self._count = count
        self._settings = settings
        self._on_engine = on_engine
        self._samples: Sequence[Sample] = ()

    def predict(self, checkpoint: Checkpoint) -> tuple[dict[str, list[Prediction]], str]:
        """Return the predictions by pass, and the engine that made them. Raises: BadSettings, EngineDead."""
        revision = checkpoint.revision.removeprefix("sha256:")[:12]
        path = self._directory / f"{revision}-{self._count}.json"
        if not path.is_file():
            self._directory.mkdir(parents=True, exist_ok=True)
            stored_predictions.store_predictions(path, *self._ask(checkpoint))
        return stored_predictions.read_predictions(path)

    def _ask(self, checkpoint: Checkpoint) -> tuple[dict[str, list[Prediction]], str]:
        drawn, setup = self._draw_scenes(), build_setup(self._settings)

        async def predict_all(engine: VersionedEngine) -> tuple[dict[str, list[Prediction]], str]:
            predictions = await evaluate.predict(drawn, engine, concurrency=setup.concurrency, passes=PASSES)
            return predictions, engine.version

        return self._on_engine(checkpoint, setup, predict_all)

    def _draw_scenes(self) -> Sequence[Sample]:
        if not self._samples:
            directory = scene_files.cache_scenes(
                self._settings.cache_directory,
                first_seed=scenes.HELD_OUT_SEED,
                count=self._count,
                workers=self._settings.workers,
            )
            self._samples = samples.read_samples(directory, self._count)
        return self._samples
