"""A checkpoint's answers to held-out images, through the product's own `inspect`, in several passes.

A pass says what is done to an image first and what Query 2 sees enlarged: the model's own boxes, random boxes in their
place, the annotated ones, or the own boxes of a degraded copy. Query 1 is greedy and the same in all passes over the
same pixels, so it is asked once.
"""

import asyncio
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import geometry, images
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import TransientError
from pipeline.verdict import Inspection
from pipeline.zoomin import inspect
from training.common.progress import Progress
from training.evaluation import boxes, one_turn
from training.evaluation.metrics import Prediction
from training.evaluation.one_turn import OneTurn
from training.evaluation.perturbations import DEGRADATIONS, Degrade
from training.evaluation.samples import Sample


class Remembering:
    """An engine that answers a query which it was asked before from memory, also when the engine is gone."""

    def __init__(self, engine: VisionEngine) -> None:
        self._engine = engine
        self._answers: dict[tuple[str, ...], asyncio.Task[Answer]] = {}

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        said = (p if isinstance(p, str) else images.digest(p) for p in query.content)
        key = (str(temperature), query.instructions, *said)
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._engine.ask(query, temperature=temperature))
        return await self._answers[key]


class AtMost:
    """An engine that is asked `queries` at once: what waited in its own queue would wait against its deadline."""

    def __init__(self, engine: VisionEngine, queries: int) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(queries)

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        async with self._slots:
            return await self._engine.ask(query, temperature=temperature)


def _own_boxes(_sample: Sample) -> geometry.Choose:
    return geometry.zoomable


@dataclass(frozen=True, slots=True)
class Pass:
    """What Query 2 sees enlarged of an image, and what is done to the image first."""

    choose: Callable[[Sample], geometry.Choose] = _own_boxes
    degrade: Degrade | None = None
    one_turn: OneTurn | None = None
    """how it is asked instead, where the checkpoint was trained for one turn"""


OWN: Mapping[str, Pass] = {"own": Pass()}
PASSES: Mapping[str, Pass] = {
    **OWN,
    "random": Pass(boxes.anywhere),
    "annotated": Pass(boxes.annotated),
}
DEGRADED: Mapping[str, Pass] = {name: Pass(degrade=degrade) for name, degrade in DEGRADATIONS.items()}


async def judge(
    samples: Sequence[Sample], engine: VisionEngine, *, concurrency: int, passes: Mapping[str, Pass] = PASSES
) -> dict[str, list[Prediction]]:
    """All samples in each of `passes`, at most `concurrency` images and queries at once; each is taken at its turn.

    Raises: EngineDead; what taking a sample raises, which may be decoding it.
    """
    slots, limited = asyncio.Semaphore(concurrency), AtMost(engine, concurrency)
    progress = Progress("judging", len(samples) * len(passes))
    began, done = time.perf_counter(), 0

    async def one_pass(sample: Sample, remembering: Remembering, one: Pass) -> Prediction:
        nonlocal done
        judged = await _judge(sample, remembering, one)
        done += 1
        progress.show(done, f"{done / len(passes) / (time.perf_counter() - began):.2f} images/s")
        return judged

    async def all_passes(number: int) -> dict[str, Prediction]:
        plain = {name: one for name, one in passes.items() if one.degrade is None}
        async with slots:
            sample = await asyncio.to_thread(operator.getitem, samples, number)
            remembering = Remembering(limited)  # of this image alone: answers about others are of no use here
            # All at once where pixels and scan are shared, so that the engine is busy until the last image is done.
            judged = await asyncio.gather(*(one_pass(sample, remembering, one) for one in plain.values()))
            said = dict(zip(plain, judged, strict=True))
            for name in passes.keys() - plain.keys():  # each makes a copy of the image: one after the other
                said[name] = await one_pass(sample, remembering, passes[name])
        return said

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(all_passes(number)) for number in range(len(samples))]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return {name: [task.result()[name] for task in tasks] for name in passes}


async def _judge(sample: Sample, engine: VisionEngine, one: Pass) -> Prediction:
    if one.degrade:
        image, annotated = await asyncio.to_thread(one.degrade, sample.image, sample.annotated, sample.number)
        sample = replace(sample, image=image, annotated=annotated)
    if one.one_turn:
        return await one_turn.judge(sample, engine, one.one_turn)
    try:
        inspection = await inspect(sample.image, engine, one.choose(sample))
    except TransientError:  # no readable answer, for whatever reason: wrong, not left out
        inspection = None
    return _judged(sample, inspection, engine.card)


def _judged(sample: Sample, inspection: Inspection | None, card: CheckpointCard) -> Prediction:
    judged = Prediction(
        sample.label, None, None, (), sample.annotated, reference=sample.reference, source=sample.source
    )
    if inspection is None:
        return judged
    judged = replace(judged, v1=inspection.scan.verdict, regions=inspection.scan.regions)
    # Serving would let the scan's verdict stand where Query 2 gave nothing; here that counts as unread.
    check = inspection.check
    if check is None:
        return judged
    said = replace(judged, v2=check.verdict, p_generated_raw=check.p_generated, explanation=check.explanation)
    return said.under(card)
