"""The paper's section 3.1 as one function: scan the whole image, zoom in, check again."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from pipeline import geometry, images, parse, prompts
from pipeline.checkpoint import BoxFrame
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import AnswerUnreadable, TransientError
from pipeline.verdict import BoundingBox, Crop, GlobalScan, Inspection, LocalCheck, RgbImage

THOUSAND = (1000, 1000)
TEMPERATURES = (0.0, 0.5, 0.9)  # greedy first; an unreadable answer is asked for again, warmer

Parsed = TypeVar("Parsed")
Stage = Callable[[str], AbstractContextManager[object]]


def unobserved(_stage: str) -> AbstractContextManager[object]:
    return nullcontext()


async def inspect(
    image: RgbImage,
    engine: VisionEngine,
    choose: geometry.Choose = geometry.zoomable,
    *,
    stage: Stage = unobserved,
) -> Inspection:
    """Query 1, crops from the full-size image, Query 2. `stage` is entered around each query, for clocks and traces.

    Raises: AnswerUnreadable and the engine's errors while there is no verdict yet; afterwards only what is not this
        event's own bad luck (a lost Query 2 leaves `check` None).
    Source: paper section 3.1; its variants are other `choose` functions.
    """
    # Resizing lets go of the interpreter's lock: a large photograph must not hold up the other events.
    view = await asyncio.to_thread(images.view, image, engine.card.scan_max_pixels)
    with stage("scan"):
        scan = await global_scan(image, view, engine)
    with stage("check"):
        boxes = choose(scan.regions, image.size_px, engine.card.max_crops)
        crops = await asyncio.to_thread(_crops, image, boxes, engine.card.crop_max_pixels)
        try:
            check = await local_check(view, crops, engine)
        except TransientError:
            check = None
    return Inspection(scan, crops, check)


async def global_scan(image: RgbImage, view: images.View, engine: VisionEngine) -> GlobalScan:
    """Query 1 alone. Raises: AnswerUnreadable and the engine's errors."""
    query = prompts.global_scan(view, engine.card.box_frame)
    answer, (verdict, numbers, explanation) = await _ask(engine, query, parse.global_scan)
    regions = place(numbers, frame=engine.card.box_frame, view=view.size, image=image.size_px)
    return GlobalScan(verdict, answer.p_generated, regions, explanation, answer.truncated)


def _crops(image: RgbImage, boxes: Sequence[BoundingBox], max_pixels: int) -> tuple[Crop, ...]:
    return tuple(images.crop(image, box, max_pixels) for box in boxes)


async def local_check(view: images.View, crops: tuple[Crop, ...], engine: VisionEngine) -> LocalCheck:
    """Query 2 alone. Raises: AnswerUnreadable and the engine's errors."""
    query = prompts.local_check(view, [crop.pixels for crop in crops], engine.card.box_frame)
    answer, (verdict, explanation) = await _ask(engine, query, parse.local_check)
    return LocalCheck(verdict, answer.p_generated, explanation, answer.truncated)


def place(
    boxes: Sequence[parse.Numbers], *, frame: BoxFrame, view: geometry.Size, image: geometry.Size
) -> tuple[BoundingBox, ...]:
    """The boxes of an answer as regions of the full-size image; one that is outside or inverted is left out."""
    seen = THOUSAND if frame == "thousand" else view
    placed = (geometry.clip(geometry.rescale(box, from_size=seen, to_size=image), image) for box in boxes)
    return tuple(region for region in placed if region is not None)


async def _ask(engine: VisionEngine, query: Query, read: Callable[..., Parsed]) -> tuple[Answer, Parsed]:
    unreadable: AnswerUnreadable | None = None
    for attempt, temperature in enumerate(TEMPERATURES, start=1):
        answer = await engine.ask(query, temperature=temperature)
        try:
            return answer, read(answer.text, truncated=answer.truncated)
        except AnswerUnreadable as error:
            unreadable = error
            unreadable.attempts = attempt
    assert unreadable is not None, "there is at least one temperature"
    raise unreadable
