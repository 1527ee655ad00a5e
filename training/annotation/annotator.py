"""One image from its label to explanation and boxes: explanation, spatial grounding, purification, in this order.

Source: paper section 3.2.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline import geometry, images
from pipeline.checkpoint import BoxFrame
from pipeline.errors import AnswerUnreadable, OutageError, TransientError
from pipeline.verdict import RgbImage
from training.annotation import annotation, purification
from training.annotation.endpoint import VisionChat
from training.annotation.purification import Fate, Region
from training.dataset import frame
from training.dataset.frame import FRAME_PX, FramedImage
from training.dataset.left_out import LeftOut

GIVEN = "the source"
NOBODY = "nobody"
FRAME_SIZE = (FRAME_PX, FRAME_PX)
THOUSAND = (1000, 1000)


@dataclass(frozen=True, slots=True)
class Annotated:
    """Explanation E and boxes B of one image, what became of its other boxes, and who said all this."""

    explanation: str
    regions: tuple[Region, ...]
    fates: Counter[Fate]
    by: str


class Annotator:
    """Asks what the source has not given; without an endpoint for it that stays empty."""

    def __init__(
        self, out: Path, explainer: VisionChat | None, grounder: VisionChat | None, *, box_frame: BoxFrame
    ) -> None:
        self._out = out
        self._explainer = explainer
        self._grounder = grounder
        self._box_frame = box_frame

    async def annotate(self, framed: FramedImage) -> Annotated | LeftOut:
        """Raises: BadSettings, EndpointDead."""
        step = "explanation"
        try:
            explanation, explained_by = await self._explain(framed)
            step = "grounding"
            regions, fates, grounded_by = await self._ground(framed, explanation)
            if grounded_by != GIVEN and regions:
                step = "purification"
                regions = await self._purify(await self._view(framed), regions, fates)
        except (TransientError, OutageError) as error:
            return LeftOut(framed.image.file, f"{step}: {error.code}", error.detail)
        by = " and ".join(dict.fromkeys((explained_by, grounded_by)))
        return Annotated(explanation, tuple(regions), fates, by)

    async def _view(self, framed: FramedImage) -> Image.Image:
        """In a size that Qwen2.5-VL's processor leaves alone: its boxes are pixels of what it sees."""
        return await asyncio.to_thread(_view, self._out / frame.locate_frame(framed.provenance.sha256))

    async def _explain(self, framed: FramedImage) -> tuple[str, str]:
        given = annotation.plain(framed.image.explanation)
        if given:
            return given, GIVEN
        if self._explainer is None:
            return "", NOBODY
        question = annotation.explain(await self._view(framed), framed.image.label)
        return await self._explainer.ask(question, annotation.read_explanation), self._explainer.model

    async def _ground(self, framed: FramedImage, explanation: str) -> tuple[list[Region], Counter[Fate], str]:
        if framed.image.boxes:
            shown = framed.image.shown or ("",) * len(framed.image.boxes)
            moved = [frame.map_to_frame(corners, framed.provenance.source_size_px) for corners in framed.image.boxes]
            return *purification.by_geometry(list(zip(moved, shown, strict=False)), FRAME_SIZE), GIVEN
        if self._grounder is None or not explanation:
            return [], Counter(), NOBODY
        view = await self._view(framed)
        question = annotation.ground(view, framed.image.label, explanation, self._box_frame)
        grounded = await self._grounder.ask(question, annotation.read_boxes)
        seen = view.size if self._box_frame == "pixels" else THOUSAND
        named = [(geometry.rescale(g.corners, from_size=seen, to_size=FRAME_SIZE), g.shown) for g in grounded]
        return *purification.by_geometry(named, FRAME_SIZE), self._grounder.model

    async def _purify(self, view: Image.Image, regions: list[Region], fates: Counter[Fate]) -> list[Region]:
        """The regions that do not enclose the whole primary object; who leaves this open keeps its box."""
        kept: list[Region] = []
        for region in regions:
            fate = await self._judge(view, region)
            if fate is not None:
                fates[fate] += 1
            if fate is not Fate.PRIMARY_OBJECT:
                kept.append(region)
        return kept

    async def _judge(self, view: Image.Image, region: Region) -> Fate | None:
        assert self._grounder is not None, "only grounded boxes are purified"
        box = geometry.clip(geometry.rescale(region.box.corners, from_size=FRAME_SIZE, to_size=view.size), view.size)
        if box is None:  # thinner than a pixel of the view
            return Fate.UNCLEAR
        try:
            encloses = await self._grounder.ask(annotation.purify(view, box), annotation.read_yes_no)
        except AnswerUnreadable:
            return Fate.UNCLEAR
        return Fate.PRIMARY_OBJECT if encloses else None


def _view(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return images.build_view(RgbImage(image.convert("RGB"), "png"), FRAME_PX * FRAME_PX)
