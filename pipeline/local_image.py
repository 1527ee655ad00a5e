"""An image whose pixels are in this process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import images
from pipeline.geometry import Size
from pipeline.verdict import BoundingBox, Crop, ModelImage, RgbImage


@dataclass(frozen=True, slots=True)
class LocalImage:
    """A ZoomableImage that works in threads: resizing releases the interpreter's lock."""

    image: RgbImage

    @property
    def size_px(self) -> Size:
        return self.image.size_px

    async def build_view(self, max_pixels: int) -> ModelImage:
        return await asyncio.to_thread(images.build_view, self.image, max_pixels)

    async def cut_crops(self, boxes: Sequence[BoundingBox], max_pixels: int) -> tuple[Crop, ...]:
        return await asyncio.to_thread(lambda: tuple(images.crop(self.image, box, max_pixels) for box in boxes))
