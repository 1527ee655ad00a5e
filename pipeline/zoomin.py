"""Implements section 3.1 of the paper as one function: scan the whole image, zoom in, check again."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

from pipeline import geometry, parse, prompts
from pipeline.checkpoint import BoxFrame
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import AnswerUnreadable, TransientError
from pipeline.verdict import BoundingBox, Crop, GlobalScan, Inspection, LocalCheck, ModelImage

THOUSAND = (1000, 1000)
TEMPERATURES = (0.0, 0.5, 0.9)  # greedy first; after an unreadable answer the query is repeated at a higher temperature

Parsed = TypeVar("Parsed")
Stage = Callable[[str], AbstractContextManager[object]]


class ZoomableImage(Protocol):
    """A full-size image, in this process or in another, from which views and crops can be had."""

    @property
    def size_px(self) -> geometry.Size: ...

    async def build_view(self, max_pixels: int) -> ModelImage: ...

    async def cut_crops(self, boxes: Sequence[BoundingBox], max_pixels: int) -> tuple[Crop, ...]: ...


def observe_nothing(_stage: str) -> AbstractContextManager[object]:
    return nullcontext()


async def inspect(
    image: ZoomableImage,
    engine: VisionEngine,
    choose: geometry.RegionChooser = geometry.choose_zoomable,
    *,
    stage: Stage = observe_nothing,
) -> Inspection:
    """Run Query 1, cut the chosen regions from the full-size image, and run Query 2.

    `choose` selects the regions; the paper's ablations are other `choose` functions. `stage` returns a context that
    is entered around each query, for clocks and traces.
    Raises: AnswerUnreadable and the engine's errors before the first verdict; afterwards every error except
        TransientError, after which `check` is None.
    Source: paper section 3.1.
    """
    view = await image.build_view(engine.card.scan_max_pixels)
    with stage("scan"):
        scan = await run_global_scan(image.size_px, view, engine)
    with stage("check"):
        boxes = choose(scan.regions, image.size_px, engine.card.max_crops)
        crops = await image.cut_crops(boxes, engine.card.crop_max_pixels)
        try:
            check = await run_local_check(view, crops, engine)
        except TransientError:
            check = None
    return Inspection(scan, crops, check)


async def run_global_scan(size_px: geometry.Size, view: ModelImage, engine: VisionEngine) -> GlobalScan:
    """Ask Query 1 about an image of this size, and parse its answer. Raises: AnswerUnreadable, the engine's errors."""
    query = prompts.build_global_scan(view, engine.card.box_frame)
    answer, (verdict, numbers, explanation) = await _ask(engine, query, parse.parse_global_scan)
    regions = place_boxes(numbers, frame=engine.card.box_frame, view=view.size, image=size_px)
    return GlobalScan(verdict, answer.p_generated, regions, explanation, answer.truncated)


async def run_local_check(view: ModelImage, crops: tuple[Crop, ...], engine: VisionEngine) -> LocalCheck:
    """Ask Query 2 and parse its answer. Raises: AnswerUnreadable and the engine's errors."""
    query = prompts.build_local_check(view, [crop.image for crop in crops], engine.card.box_frame)
    answer, (verdict, explanation) = await _ask(engine, query, parse.parse_local_check)
    return LocalCheck(verdict, answer.p_generated, explanation, answer.truncated)


def place_boxes(
    boxes: Sequence[parse.Numbers], *, frame: BoxFrame, view: geometry.Size, image: geometry.Size
) -> tuple[BoundingBox, ...]:
    """Map the boxes of an answer to the full-size image; leave out boxes that are outside or inverted."""
    seen_size = THOUSAND if frame == "thousand" else view
    placed = (geometry.clip(geometry.rescale(box, from_size=seen_size, to_size=image), image) for box in boxes)
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
