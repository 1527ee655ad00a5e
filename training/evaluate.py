"""A checkpoint's figures on held-out images, through the product's own `inspect`.

Three passes over the same images differ in what Query 2 sees enlarged: the model's own boxes, random boxes in their
place, and the annotated ones. Query 1 is greedy and the same in all passes, so it is asked once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import geometry, images
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Inspection, RgbImage, Verdict
from pipeline.zoomin import inspect
from training import album, manifest, metrics, scenes
from training.metrics import Judged
from training.progress import Progress
from training.resampling import Figure
from training.spread import over_processes

MAX_PIXELS = 100_000_000
PASSES = ("own", "random", "annotated")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image to judge, with its truth."""

    number: int
    image: RgbImage
    label: Verdict
    annotated: tuple[BoundingBox, ...]


def held_out(count: int, workers: int) -> list[Sample]:
    """The first `count` held-out scenes."""
    progress = Progress("held-out scenes", count)
    seeds = range(scenes.HELD_OUT_SEED, scenes.HELD_OUT_SEED + count)
    drawn = over_processes(scenes.make, seeds, min(workers, count), after_each=progress.show)
    return [Sample(number, scene.image, scene.label, scene.boxes) for number, scene in enumerate(drawn)]


def from_directory(directory: Path, count: int) -> list[Sample]:
    """At most `count` images of a manifest, in its order.

    Raises: BadSettings, ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    entries = [entry for entry, _ in zip(manifest.read(directory), range(count), strict=False)]
    return [
        Sample(
            number,
            images.decode((directory / entry.file).read_bytes(), max_pixels=MAX_PIXELS),
            entry.label,
            entry.regions,
        )
        for number, entry in enumerate(entries)
    ]


class Remembering:
    """An engine that answers a greedy query which it was asked before from memory."""

    def __init__(self, engine: VisionEngine) -> None:
        self._engine = engine
        self._answers: dict[tuple[str, ...], asyncio.Task[Answer]] = {}

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        if temperature:
            return await self._engine.ask(query, temperature=temperature)
        key = (query.instructions, *(p if isinstance(p, str) else images.digest(p) for p in query.content))
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._engine.ask(query))
        return await self._answers[key]


def random_boxes(seed: int) -> geometry.Choose:
    """As many boxes as the model's own, one at least, of a detail's size, anywhere."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        rng = np.random.default_rng(seed)
        wanted = max(1, len(geometry.zoomable(regions, size, max_crops)))
        return [album.random_box(rng, size) for _ in range(wanted)]

    return choose


def annotated_boxes(boxes: Sequence[BoundingBox]) -> geometry.Choose:
    """The boxes of the truth, whatever the model says."""
    return lambda _regions, size, max_crops: geometry.zoomable(boxes, size, max_crops)


async def judge(samples: Sequence[Sample], engine: VisionEngine, *, concurrency: int) -> dict[str, list[Judged]]:
    """All samples in each of `PASSES`, at most `concurrency` at once."""
    remembering = Remembering(engine)
    slots = asyncio.Semaphore(concurrency)
    progress = Progress("judging", len(samples) * len(PASSES))
    done = 0

    async def one(sample: Sample, choose: geometry.Choose) -> Judged:
        nonlocal done
        async with slots:
            judged = await _judge(sample, remembering, choose)
        done += 1
        progress.show(done)
        return judged

    choices: dict[str, Callable[[Sample], geometry.Choose]] = {
        "own": lambda _: geometry.zoomable,
        "random": lambda sample: random_boxes(sample.number),
        "annotated": lambda sample: annotated_boxes(sample.annotated),
    }
    judged = {}
    for name in PASSES:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(sample, choices[name](sample))) for sample in samples]
        judged[name] = [task.result() for task in tasks]
    return judged


async def _judge(sample: Sample, engine: VisionEngine, choose: geometry.Choose) -> Judged:
    try:
        inspection: Inspection | None = await inspect(sample.image, engine, choose)
    except AnswerUnreadable:
        inspection = None
    if inspection is None:
        return Judged(sample.label, None, None, (), sample.annotated)
    # Serving would let the scan's verdict stand where Query 2 gave nothing; here that counts as unread.
    v2 = inspection.check.verdict if inspection.check else None
    return Judged(sample.label, inspection.scan.verdict, v2, inspection.scan.regions, sample.annotated)


def figures(judged: dict[str, list[Judged]]) -> dict[str, Figure]:
    """Everything that an evaluation reports, by the names of the JSON line."""
    own = judged["own"]
    shown = metrics.figures(own)
    shown["acc_random_boxes"] = metrics.accuracy(judged["random"])
    shown["acc_annotated_boxes"] = metrics.accuracy(judged["annotated"])
    shown["over_random_boxes"] = metrics.advantage(own, judged["random"])
    return shown


MEANINGS = {
    "i_acc": "I-Acc: verdict after Query 1",
    "acc": "Acc: verdict after Query 2",
    "zoom_gain": "Acc - I-Acc",
    "c_cases": "C-Cases: share that Query 2 changed",
    "c_acc": "C-Acc: Acc where it changed",
    "acc_random_boxes": "Acc with random boxes",
    "over_random_boxes": "Acc - Acc with random boxes",
    "acc_annotated_boxes": "Acc with annotated boxes",
    "iou": "IoU of the model's boxes (Eq. 2)",
    "iou_recall": "IoU of the annotated boxes",
    "iou_f1": "harmonic mean of the two",
    "tpr": "right among generated",
    "tnr": "right among real",
    "balanced_acc": "mean of the two",
    "precision": "generated among those called so",
    "prevalence": "share of generated that this assumes",
    "boxes": "boxes an image",
    "identity_gap": "Acc - I-Acc - C-Cases (2 C-Acc - 1)",
    "unparsed": "answers that could not be read",
}


def table(shown: dict[str, Figure]) -> str:
    """The figures for people, with the view's bound beside I-Acc."""
    lines = [f"{meaning:36} {shown[name]}" for name, meaning in MEANINGS.items()]
    bound = f"   a view alone allows Phi({scenes.TONE_CUE}/2) = {metrics.view_bound(scenes.TONE_CUE):.3f} on our scenes"
    lines[0] += bound
    return "\n".join(lines)
