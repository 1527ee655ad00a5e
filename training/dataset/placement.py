"""Place a full-size image in a training frame: the part that is shown, the sizes it is brought to, and its boxes.

Two frames: `full` keeps the image, up to a number of pixels; `512` is the centre square, 512 x 512, as in the paper.
Source: paper appendix C.
"""

import math
from dataclasses import dataclass
from typing import Literal

from pipeline import geometry
from pipeline.geometry import Size
from pipeline.verdict import BoundingBox

Frame = Literal["full", "512"]
JPEG_MAX_SIDE_PX = 65_500
SQUARE_PX = 512
"""side of the frame `512`"""
FULL_MAX_PIXELS = 12_600_000
"""largest area of the frame `full`: a photograph of a 12-megapixel phone stays as it is"""


@dataclass(frozen=True, slots=True)
class Placement:
    """The place of an image in its frame.

    `window` is the part of the full-size upright image that the frame shows. It is brought to `scaled_px`, which is the
    size that both classes have in common where a build matches their sizes, and from there to `frame_px`.
    """

    window: BoundingBox
    scaled_px: Size
    frame_px: Size

    def map_box(self, corners: geometry.Corners) -> geometry.Corners:
        """Map a box of the full-size upright image to pixels of the frame; it may reach beyond the frame.

        `geometry.clip(placement.map_box(box.corners), placement.frame_px)` is the box in whole pixels of the frame, or
        None for a box outside of it.
        """
        x1, y1, x2, y2 = corners
        left, top = self.window.x1, self.window.y1
        moved = (x1 - left, y1 - top, x2 - left, y2 - top)
        return geometry.rescale(moved, from_size=_measure(self.window), to_size=self.frame_px)


def place_in_frame(
    size: Size, frame: Frame, *, matched_px: Size | None = None, max_pixels: int = FULL_MAX_PIXELS
) -> Placement:
    """Place an image of `size` in the frame.

    With `matched_px`, the largest centre part of this shape is brought to this size first. `max_pixels` bounds the
    frame `full`.
    """
    window = BoundingBox(0, 0, *size) if matched_px is None else _find_centre(size, matched_px)
    if frame == "full":
        scaled = matched_px or limit_size(size, max_pixels)
        return Placement(window, scaled, scaled)
    side = min(_measure(window))
    left, top = window.x1 + (window.width_px - side) // 2, window.y1 + (window.height_px - side) // 2
    scaled_side = SQUARE_PX if matched_px is None else min(matched_px)
    square = BoundingBox(left, top, left + side, top + side)
    return Placement(square, (scaled_side, scaled_side), (SQUARE_PX, SQUARE_PX))


def limit_size(size: Size, max_pixels: int) -> Size:
    """Return a size of the same shape with at most `max_pixels` that a JPEG can have; a smaller one stays."""
    scale = min(math.sqrt(max_pixels / (size[0] * size[1])), JPEG_MAX_SIDE_PX / max(size))
    return size if scale >= 1 else (max(1, int(size[0] * scale)), max(1, int(size[1] * scale)))


def _find_centre(size: Size, shape: Size) -> BoundingBox:
    """Return the largest centre part of an image that has the proportions of `shape`."""
    scale = min(size[0] / shape[0], size[1] / shape[1])
    width, height = (max(1, min(limit, round(side * scale))) for side, limit in zip(shape, size, strict=True))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return BoundingBox(left, top, left + width, top + height)


def _measure(box: BoundingBox) -> Size:
    return box.width_px, box.height_px
