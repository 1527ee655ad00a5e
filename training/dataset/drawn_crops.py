"""Draw the crops that Query 2 is trained on: like those at a model's boxes, and none where a model names none.

A model's boxes are imprecise, miss regions, and show places that nothing is wrong with; a model that was trained on
annotated crops alone meets such crops in serving for the first time.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pipeline import geometry
from pipeline.verdict import BoundingBox

NO_CROP_FRACTION = 0.02
LOST_FRACTION = 0.04
"""none of the crops shows a region"""
ALL_FRACTION = 0.7
"""every region has a crop; else some have none, and the order is drawn too"""
STRAY_FRACTION = 0.25
"""one more crop shows a random place"""
MAX_JITTER = 0.28
"""largest standard deviation of an edge, as a share of its side"""
STRAY_SIDE_PX = (72, 129)
SHORT_SIDE_PX = 512
"""of the images in which a stray crop has these sides; in others it is as large by proportion"""

Crop = TypeVar("Crop")


def draw_crops(
    rng: np.random.Generator, count: int, draw_region: Callable[[int], Crop], draw_stray: Callable[[], Crop]
) -> list[Crop]:
    """Draw the crops of an image with `count` regions; `draw_region` draws one of those at the region of a number."""
    fate = rng.random()
    if fate < NO_CROP_FRACTION:
        return []
    if fate < NO_CROP_FRACTION + LOST_FRACTION:
        return [draw_stray()]
    order = list(range(count))
    if rng.random() >= ALL_FRACTION and order:
        rng.shuffle(order)
        order = order[: rng.integers(1, len(order) + 1)]
    drawn = [draw_region(number) for number in order]
    if rng.random() < STRAY_FRACTION:
        drawn.insert(int(rng.integers(0, len(drawn) + 1)), draw_stray())
    return drawn


def jitter_box(rng: np.random.Generator, box: BoundingBox, size: geometry.Size) -> BoundingBox:
    """Move each edge by a normal share of the side: from nearly exact to as imprecise as a model's box."""
    spread = rng.uniform(0, MAX_JITTER)
    off = rng.normal(0, spread, 4) * (box.width_px, box.height_px, box.width_px, box.height_px)
    moved = tuple(float(edge + step) for edge, step in zip(box.corners, off, strict=True))
    clipped = geometry.clip((moved[0], moved[1], moved[2], moved[3]), size)
    if clipped is None or min(clipped.width_px, clipped.height_px) < geometry.CROP_MIN_SIDE_PX:
        return box
    return clipped


def draw_stray_box(rng: np.random.Generator, size: geometry.Size) -> BoundingBox:
    """Draw a box anywhere in an image of `size`, in proportion as large as a region of a scene."""
    scale = min(size) / SHORT_SIDE_PX
    scaled = round(size[0] / scale), round(size[1] / scale)
    width, height = (int(side) for side in rng.integers(*STRAY_SIDE_PX, 2))
    x, y = int(rng.integers(0, scaled[0] - width + 1)), int(rng.integers(0, scaled[1] - height + 1))
    box = geometry.clip(geometry.rescale((x, y, x + width, y + height), from_size=scaled, to_size=size), size)
    return box or BoundingBox(0, 0, *size)
