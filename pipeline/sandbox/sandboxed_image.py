"""An image whose full-size pixels stay in a decoder process; views and crops come from there."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.geometry import Size
from pipeline.sandbox.decoder import DecodedFile, PixelsLost
from pipeline.verdict import BoundingBox, Crop, ModelImage

if TYPE_CHECKING:
    from pipeline.sandbox.decode_pool import DecodePool


class SandboxedImage:
    """A ZoomableImage. Where the pixels are not kept, or lost with their process, the file is decoded again."""

    def __init__(self, pool: "DecodePool", data: bytes, decoded: DecodedFile, view_max_pixels: int) -> None:
        self._decoded = decoded
        self._kept = decoded.kept
        self._pool = pool
        self._data = data
        self._view_max_pixels = view_max_pixels

    @property
    def size_px(self) -> Size:
        return self._decoded.size_px

    @property
    def format(self) -> str:
        return self._decoded.format

    @property
    def frames(self) -> int:
        return self._decoded.frames

    @property
    def repaired(self) -> bool:
        return self._decoded.repaired

    @property
    def frame(self) -> int:
        return self._decoded.frame

    async def build_view(self, max_pixels: int) -> ModelImage:
        """Return the view that was built with the image, unless another checkpoint asks for another size meanwhile."""
        if max_pixels == self._view_max_pixels:
            return self._decoded.view
        return (await self._pool.build_view(self._data, max_pixels)).view

    async def cut_crops(self, boxes: Sequence[BoundingBox], max_pixels: int) -> tuple[Crop, ...]:
        """Cut crops from the full-size image. Raises: ImageUndecodable, InternalFault."""
        if not boxes:
            self.release_pixels()
            return ()
        if self._kept is not None:
            with suppress(PixelsLost):
                crops = await self._pool.cut_crops(self._kept, self.size_px, boxes, max_pixels)
                self._kept = None
                return crops
            self.release_pixels()
        return await self._pool.cut_crops(self._data, self.size_px, boxes, max_pixels)

    def release_pixels(self) -> None:
        """Free the full-size pixels in the decoder process, if they are still there."""
        if self._kept is not None:
            self._pool.drop(self._kept)
            self._kept = None
