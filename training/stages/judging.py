"""The held-out scenes of the experiment, and the predictions of published checkpoints, made once and found again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.common.whole_file import write_whole
from training.engine.run import OnEngine, build_setup
from training.engine.stored_answers import VersionedEngine
from training.evaluation import evaluate, samples, stored_predictions
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.runs.run_log import Line
from training.settings import TrainSettings
from training.stages.differences import ANNOTATED, OWN
from training.stages.results_file import Effort
from training.synthetic import scene_files, scenes

JUDGED = "judged"
PASSES = {name: evaluate.PASSES[name] for name in (OWN, ANNOTATED)}


class JudgedArm(BaseModel):
    """One arm of one seed that is judged: its revision, what it took (None for a start), and its steps by phase."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: int
    name: str
    revision: str
    effort: Effort | None = None
    logs: Mapping[str, list[Line]] = {}


def store_judged(directory: Path, arm: JudgedArm) -> None:
    """Write the arm below the directory of the experiment; the file is whole or absent."""
    path = directory / JUDGED / f"{arm.seed}-{arm.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as unfinished:
        unfinished.write_text(arm.model_dump_json())


def read_judged(directory: Path) -> list[JudgedArm]:
    """Read all arms that `store_judged` has written. Raises: BadSettings when a file has another form."""
    arms = []
    for path in sorted((directory / JUDGED).glob("*.json")):
        try:
            arms.append(JudgedArm.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise BadSettings(f"{path} is not of this version's form; remove it, and its arm is read again") from error
    return arms


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
        path = self._locate(checkpoint.revision)
        if not path.is_file():
            self._directory.mkdir(parents=True, exist_ok=True)
            stored_predictions.store_predictions(path, *self._ask(checkpoint))
        return stored_predictions.read_predictions(path)

    def find(self, revision: str) -> dict[str, list[Prediction]] | None:
        """Return the predictions of a revision, or None if they are not on disk. Raises: BadSettings."""
        path = self._locate(revision)
        return stored_predictions.read_predictions(path)[0] if path.is_file() else None

    def _locate(self, revision: str) -> Path:
        return self._directory / f"{revision.removeprefix('sha256:')[:12]}-{self._count}.json"

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
