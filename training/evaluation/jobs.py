"""The sets of an evaluation, each with its passes, predicted one after the other on one engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.engine import VisionEngine
from training.dataset.labeled_image import Split
from training.dataset.left_out import LeftOut
from training.dataset.placement import Frame
from training.engine.run import EngineSetup, OnEngine, run_on_engine
from training.engine.stored_answers import VersionedEngine
from training.evaluation import evaluate, samples, summary
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.synthetic import unseen

Job = tuple[Sequence[Sample], Mapping[str, Pass]]
"""one set of images with its passes, by name"""


def collect_jobs(
    data: Path | None,
    count: int,
    *,
    perturbed: bool,
    photographs: Path | None,
    workers: int,
    left_out: list[LeftOut],
    frame: Frame = "full",
    split: Split = Split.TEST,
) -> list[Job]:
    """Return the own set first, in `data` or held-out scenes, then the sets that show how far its metrics carry.

    A few broken files in `data` are added to `left_out`. In the frame `512` images are brought into the paper's square.
    Raises: BadSettings when a set holds nothing to predict.
    """
    passes = {**evaluate.PASSES, **(evaluate.PERTURBED if perturbed else {})}
    jobs: list[Job] = []
    if data:
        jobs.append((samples.read_samples(data, count, split=split, left_out=left_out), passes))
    else:
        jobs.append((samples.draw_held_out(count, workers), passes))
        for name, style in unseen.UNSEEN.items() if perturbed else ():
            jobs.append((samples.draw_held_out(count, workers, style=style), {name: Pass()}))
    if photographs:
        jobs.append((samples.load_photographs(photographs, count, workers), {summary.PHOTOGRAPHS: Pass()}))
    if frame == "512":
        return [(samples.bring_into_square(drawn), of_set) for drawn, of_set in jobs]
    return jobs


def predict_jobs(
    checkpoint: Checkpoint, jobs: Sequence[Job], setup: EngineSetup, on_engine: OnEngine = run_on_engine
) -> tuple[dict[str, list[Prediction]], str]:
    """Return the predictions of every pass by its name, and the version of the engine that made them."""

    async def predict_all(engine: VersionedEngine) -> tuple[dict[str, list[Prediction]], str]:
        return await predict_passes(jobs, engine, concurrency=setup.concurrency), engine.version

    return on_engine(checkpoint, setup, predict_all)


async def predict_passes(jobs: Sequence[Job], engine: VisionEngine, *, concurrency: int) -> dict[str, list[Prediction]]:
    """Return the predictions of every pass by its name. Raises: what `evaluate.predict` raises."""
    predictions: dict[str, list[Prediction]] = {}
    for samples_of_job, passes in jobs:
        predictions |= await evaluate.predict(samples_of_job, engine, concurrency=concurrency, passes=passes)
    return predictions
