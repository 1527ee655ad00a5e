"""Computes with boxes and sizes: frames, overlap, the regions to zoom into, the sizes that the model sees."""

import math
from collections.abc import Callable, Iterable, Sequence

from pipeline.verdict import BoundingBox

Size = tuple[int, int]
Corners = tuple[float, float, float, float]

SAME_REGION_IOU = 0.9
CROP_MARGIN_PARTS = 10  # a tenth more than the box; times 1.1 would make 111 of 100
CROP_MIN_SIDE_PX = 28
PATCH_MULTIPLE_PX = 28
MIN_VIEW_PIXELS = 56 * 56
MAX_ASPECT = 150


def rescale(corners: Corners, *, from_size: Size, to_size: Size) -> Corners:
    """Map corners between the model's frame and the full-size image, in either direction."""
    fx, fy = to_size[0] / from_size[0], to_size[1] / from_size[1]
    x1, y1, x2, y2 = corners
    return x1 * fx, y1 * fy, x2 * fx, y2 * fy


def clip(corners: Corners, size: Size) -> BoundingBox | None:
    """Round `corners` to pixels inside an image of `size`; None if nothing is left or the box is inverted."""
    width, height = size
    x1, y1 = max(0, round(corners[0])), max(0, round(corners[1]))
    x2, y2 = min(width, round(corners[2])), min(height, round(corners[3]))
    return BoundingBox(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def iou(a: BoundingBox, b: BoundingBox) -> float:
    """Return intersection over union, in [0, 1]."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.area_px + b.area_px - shared)


def drop_repeated_boxes(boxes: Iterable[BoundingBox]) -> list[BoundingBox]:
    """Return `boxes` in order, without each box that repeats an earlier one (IoU of 0.9 or more)."""
    distinct: list[BoundingBox] = []
    for box in boxes:
        if all(iou(box, earlier) < SAME_REGION_IOU for earlier in distinct):
            distinct.append(box)
    return distinct


RegionChooser = Callable[[Sequence[BoundingBox], Size, int], Sequence[BoundingBox]]


def choose_zoomable(regions: Sequence[BoundingBox], size: Size, max_crops: int) -> Sequence[BoundingBox]:
    """Choose the regions for Query 2: clipped to the image, distinct, the first `max_crops` in the model's order."""
    inside = (clip(region.corners, size) for region in regions)
    return drop_repeated_boxes(box for box in inside if box is not None)[:max_crops]


def find_crop_window(box: BoundingBox, size: Size) -> BoundingBox:
    """Add the margin to `box`: at least 28 px a side, and moved (not shrunk) into the image where it fits."""
    x1, x2 = _widen(box.x1, box.x2, size[0])
    y1, y2 = _widen(box.y1, box.y2, size[1])
    return BoundingBox(x1, y1, x2, y2)


def compute_crop_size(box: BoundingBox, size: Size, max_pixels: int) -> Size:
    """Return the size that a crop is scaled to: the shape of its window, in the pixel budget."""
    window = find_crop_window(box, size)
    return fit((window.width_px, window.height_px), max_pixels, enlarge=True)


def _widen(low: int, high: int, limit: int) -> tuple[int, int]:
    length = min(limit, max(CROP_MIN_SIDE_PX, high - low + math.ceil((high - low) / CROP_MARGIN_PARTS)))
    start = min(max(0, (low + high - length) // 2), limit - length)
    return start, start + length


def fit(size: Size, max_pixels: int, *, enlarge: bool = False) -> Size:
    """Return the size closest in shape to `size` that Qwen2.5-VL's processor does not resize.

    Sides are multiples of 28, the area lies between 56 * 56 and `max_pixels`, the aspect ratio stays below 200.
    `enlarge` also scales up to the budget; without it, an image inside the budget keeps its scale.
    Source: smart_resize in transformers' Qwen2-VL image processor.
    """
    width, height = size
    area = width * height
    target = max_pixels if enlarge else min(max_pixels, max(area, MIN_VIEW_PIXELS))
    scale = math.sqrt(target / area)
    wide = max(1, round(width * scale / PATCH_MULTIPLE_PX))
    high = max(1, round(height * scale / PATCH_MULTIPLE_PX))
    wide, high = min(wide, MAX_ASPECT * high), min(high, MAX_ASPECT * wide)
    # From here sides count in patches. Rounding may have left the allowed area: step one patch at a time, on the side
    # that changes the shape least.
    aspect, unit = width / height, PATCH_MULTIPLE_PX**2
    least, most = MIN_VIEW_PIXELS // unit, max_pixels // unit
    while wide * high > most:
        wide, high = _choose_closest([(wide - 1, high), (wide, high - 1)], aspect)
    while wide * high < least:
        wide, high = _choose_closest([(w, h) for w, h in ((wide + 1, high), (wide, high + 1)) if w * h <= most], aspect)
    return wide * PATCH_MULTIPLE_PX, high * PATCH_MULTIPLE_PX


def _choose_closest(sizes: list[Size], aspect: float) -> Size:
    possible = [size for size in sizes if 0 < max(size) <= MAX_ASPECT * min(size)]
    return min(possible, key=lambda size: abs(math.log(size[0] / size[1] / aspect)))
