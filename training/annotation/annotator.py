"""Annotate one image: explanation, spatial grounding and purification, in this order.

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
from training.dataset.frame import FramedImage
from training.dataset.left_out import LeftOut

THE_SOURCE = "the source"
NOBODY = "nobody"
VIEW_MAX_PIXELS = 512 * 512
"""largest area of the view that endpoints get: the one in which serving asks about the whole image"""
THOUSAND = (1000, 1000)


@dataclass(frozen=True, slots=True)
class Annotation:
    """Explanation E and boxes B of one image, the fates of its other boxes, and the models that gave them.

    `regions` is None if nobody was asked for boxes.
    """

    explanation: str
    regions: tuple[Region, ...] | None
    fates: Counter[Fate]
    by: str


class Annotator:
    """Asks endpoints for what the source does not have; without an endpoint it stays empty."""

    def __init__(
        self, out: Path, explainer: VisionChat | None, grounder: VisionChat | None, *, box_frame: BoxFrame
    ) -> None:
        self._out = out
        self._explainer = explainer
        self._grounder = grounder
        self._box_frame = box_frame

    async def annotate(self, framed: FramedImage) -> Annotation | LeftOut:
        """Annotate a framed image, or return why it is left out. Raises: BadSettings, EndpointDead."""
        step = "explanation"
        try:
            explanation, explained_by = await self._explain(framed)
            step = "grounding"
            regions, fates, grounded_by = await self._ground(framed, explanation)
            if grounded_by != THE_SOURCE and regions:
                step = "purification"
                regions = await self._drop_objects(framed, regions, fates)
        except (TransientError, OutageError) as error:
            return LeftOut(framed.image.file, f"{step}: {error.code}", error.detail)
        by = " and ".join(dict.fromkeys((explained_by, grounded_by)))
        found = None if grounded_by == NOBODY else tuple(regions)
        return Annotation(explanation, found, fates, by)

    async def _view(self, framed: FramedImage) -> Image.Image:
        """Return the view in a size that Qwen2.5-VL's processor does not change: boxes are pixels of the view."""
        return await asyncio.to_thread(_view, self._out / frame.locate_frame(framed.provenance.sha256))

    async def _explain(self, framed: FramedImage) -> tuple[str, str]:
        explanation = annotation.reduce_prose(framed.image.explanation)
        if explanation:
            return explanation, THE_SOURCE
        if self._explainer is None:
            return "", NOBODY
        question = annotation.build_explanation_question(await self._view(framed), framed.image.label)
        image = framed.provenance.sha256
        explanation = await self._explainer.ask(question, annotation.parse_explanation, image=image)
        return explanation, self._explainer.model

    async def _ground(self, framed: FramedImage, explanation: str) -> tuple[list[Region], Counter[Fate], str]:
        size = framed.placement.frame_px
        if framed.image.boxes is not None:
            descriptions = framed.image.shown or [""] * len(framed.image.boxes)
            moved = [framed.placement.map_box(corners) for corners in framed.image.boxes]
            return *purification.drop_by_geometry(list(zip(moved, descriptions, strict=False)), size), THE_SOURCE
        if self._grounder is None or not explanation:
            return [], Counter(), NOBODY
        view = await self._view(framed)
        question = annotation.build_grounding_question(view, framed.image.label, explanation, self._box_frame)
        grounded = await self._grounder.ask(question, annotation.parse_boxes, image=framed.provenance.sha256)
        seen = view.size if self._box_frame == "pixels" else THOUSAND
        named = [(geometry.rescale(g.corners, from_size=seen, to_size=size), g.description) for g in grounded]
        return *purification.drop_by_geometry(named, size), self._grounder.model

    async def _drop_objects(self, framed: FramedImage, regions: list[Region], fates: Counter[Fate]) -> list[Region]:
        """Drop the regions that enclose the whole primary object; without a clear answer a region stays."""
        view = await self._view(framed)
        remaining: list[Region] = []
        for region in regions:
            corners = geometry.rescale(region.box.corners, from_size=framed.placement.frame_px, to_size=view.size)
            fate = await self._judge(view, corners, image=framed.provenance.sha256)
            if fate is not None:
                fates[fate] += 1
            if fate is not Fate.PRIMARY_OBJECT:
                remaining.append(region)
        return remaining

    async def _judge(self, view: Image.Image, corners: geometry.Corners, *, image: str) -> Fate | None:
        assert self._grounder is not None, "only grounded boxes are purified"
        box = geometry.clip(corners, view.size)
        if box is None:  # thinner than a pixel of the view
            return Fate.UNCLEAR
        try:
            question = annotation.build_purification_question(view, box)
            encloses = await self._grounder.ask(question, annotation.parse_yes_no, image=image)
        except AnswerUnreadable:
            return Fate.UNCLEAR
        return Fate.PRIMARY_OBJECT if encloses else None


def _view(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return images.build_view(RgbImage(image.convert("RGB"), "png"), VIEW_MAX_PIXELS).pixels
