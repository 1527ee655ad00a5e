"""Predictions of a checkpoint for samples, through the product's own `inspect`, in several passes.

A pass defines what is done to an image first and what Query 2 sees enlarged: the model's own boxes, random boxes in
their place, the annotated ones, or the own boxes of a perturbed copy. Query 1 is greedy and the same in all passes over
the same pixels, so it is asked once.
"""

import asyncio
import operator
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pipeline import geometry
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.local_image import LocalImage
from pipeline.verdict import Inspection
from pipeline.zoomin import inspect
from training.common.progress import Progress
from training.engine.caching import CachingEngine, LimitedEngine
from training.evaluation import boxes, one_turn
from training.evaluation.metrics import Prediction
from training.evaluation.one_turn import OneTurn
from training.evaluation.perturbations import PERTURBATIONS, Perturb
from training.evaluation.samples import Sample

T = TypeVar("T")


def _choose_own(_sample: Sample) -> geometry.RegionChooser:
    return geometry.choose_zoomable


@dataclass(frozen=True, slots=True)
class Pass:
    """The boxes that Query 2 sees enlarged, and what is done to the image first."""

    choose: Callable[[Sample], geometry.RegionChooser] = _choose_own
    perturb: Perturb | None = None
    one_turn: OneTurn | None = None
    """the one query to ask instead, for a checkpoint that was trained for one turn"""


OWN: Mapping[str, Pass] = {"own": Pass()}
PASSES: Mapping[str, Pass] = {
    **OWN,
    "random": Pass(boxes.choose_anywhere),
    "annotated": Pass(boxes.choose_annotated),
}
PERTURBED: Mapping[str, Pass] = {name: Pass(perturb=perturb) for name, perturb in PERTURBATIONS.items()}


async def visit_samples(
    samples: Sequence[Sample], work: Callable[[Sample], Awaitable[T]], *, concurrency: int
) -> list[T]:
    """Return the result of `work` for each sample; at most `concurrency` samples are loaded at once.

    Raises: what `work` raises; what taking a sample raises, which may be decoding it.
    """
    slots = asyncio.Semaphore(concurrency)

    async def visit_sample(number: int) -> T:
        async with slots:
            return await work(await asyncio.to_thread(operator.getitem, samples, number))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(visit_sample(number)) for number in range(len(samples))]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


async def predict(
    samples: Sequence[Sample], engine: VisionEngine, *, concurrency: int, passes: Mapping[str, Pass] = PASSES
) -> dict[str, list[Prediction]]:
    """Return the predictions of each pass for all samples, with at most `concurrency` images and queries at once.

    Raises: EngineDead; what taking a sample raises, which may be decoding it.
    """
    limited = LimitedEngine(engine, concurrency)
    unperturbed = {name: pass_ for name, pass_ in passes.items() if pass_.perturb is None}
    progress = Progress("judging", len(samples) * len(passes))
    began, done = time.perf_counter(), 0

    async def run_pass(sample: Sample, caching: CachingEngine, pass_: Pass) -> Prediction:
        nonlocal done
        prediction = await _predict_sample(sample, caching, pass_)
        done += 1
        progress.show(done, f"{done / len(passes) / (time.perf_counter() - began):.2f} images/s")
        return prediction

    async def run_all_passes(sample: Sample) -> dict[str, Prediction]:
        caching = CachingEngine(limited)  # of this image alone: answers about others are of no use here
        # All at once where pixels and scan are shared, so that the engine is busy until the last image is done.
        results = await asyncio.gather(*(run_pass(sample, caching, pass_) for pass_ in unperturbed.values()))
        predictions = dict(zip(unperturbed, results, strict=True))
        for name in passes.keys() - unperturbed.keys():  # each copies the image: one after the other
            predictions[name] = await run_pass(sample, caching, passes[name])
        return predictions

    by_image = await visit_samples(samples, run_all_passes, concurrency=concurrency)
    return {name: [predictions[name] for predictions in by_image] for name in passes}


async def _predict_sample(sample: Sample, engine: VisionEngine, pass_: Pass) -> Prediction:
    if pass_.perturb:
        image, annotated = await asyncio.to_thread(pass_.perturb, sample.image, sample.annotated, sample.number)
        sample = replace(sample, image=image, annotated=annotated)
    if pass_.one_turn:
        return await one_turn.predict_one_turn(sample, engine, pass_.one_turn)
    try:
        inspection = await inspect(LocalImage(sample.image), engine, pass_.choose(sample))
    except TransientError:  # no readable answer, for whatever reason: wrong, not left out
        inspection = None
    return _build_prediction(sample, inspection, engine.card)


def _build_prediction(sample: Sample, inspection: Inspection | None, card: CheckpointCard) -> Prediction:
    prediction = Prediction(
        sample.label,
        None,
        None,
        (),
        sample.annotated,
        reference=sample.reference,
        source=sample.source,
        file=sample.file,
        weight=sample.weight,
        undrawn=sample.undrawn,
    )
    if inspection is None:
        return prediction
    scan = inspection.scan
    prediction = replace(
        prediction,
        scan_verdict=scan.verdict,
        regions=scan.regions,
        zoomed=tuple(crop.box for crop in inspection.crops),
        scan_p_generated_raw=scan.p_generated,
    )
    if check := inspection.check:
        prediction = replace(prediction, check_verdict=check.verdict, explanation=check.explanation)
    return prediction.apply(card.decide_inspection(inspection, sample.source))
