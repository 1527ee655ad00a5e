"""Drop boxes of an image by geometry, and count the dropped ones by reason.

Source: paper section 3.2, Data Purification: no box over half of the image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline import geometry
from pipeline.verdict import BoundingBox

OVER_FRACTION = 0.5


class Fate(StrEnum):
    """The result of checking a box; `clipped` and `unclear` boxes stay."""

    INVERTED = "inverted or empty"
    OUTSIDE = "outside the image"
    CLIPPED = "reached beyond the image: clipped, kept"
    OVER_HALF = "over half of the image"
    REPEATED = "repeats another box"
    PRIMARY_OBJECT = "encloses the whole primary object"
    UNCLEAR = "the question about the primary object was not answered: kept"


@dataclass(frozen=True, slots=True)
class Region:
    box: BoundingBox
    description: str


def drop_by_geometry(
    named: Sequence[tuple[geometry.Corners, str]], size: geometry.Size
) -> tuple[list[Region], Counter[Fate]]:
    """Return the regions inside an image of `size` that are neither too large nor repeated, and count all fates."""
    fates: Counter[Fate] = Counter()
    regions: list[Region] = []
    for corners, description in named:
        fate, box = _check_box(corners, size)
        if box is not None and any(geometry.iou(box, other.box) >= geometry.SAME_REGION_IOU for other in regions):
            fate, box = Fate.REPEATED, None
        if fate is not None:
            fates[fate] += 1
        if box is not None:
            regions.append(Region(box, description))
    return regions, fates


def _check_box(corners: geometry.Corners, size: geometry.Size) -> tuple[Fate | None, BoundingBox | None]:
    x1, y1, x2, y2 = corners
    if x1 >= x2 or y1 >= y2:
        return Fate.INVERTED, None
    box = geometry.clip(corners, size)
    if box is None:
        beyond = x2 <= 0 or y2 <= 0 or x1 >= size[0] or y1 >= size[1]
        return (Fate.OUTSIDE if beyond else Fate.INVERTED), None
    if box.area_px > OVER_FRACTION * size[0] * size[1]:
        return Fate.OVER_HALF, None
    beyond = min(x1, y1) < -1 or x2 > size[0] + 1 or y2 > size[1] + 1
    return (Fate.CLIPPED if beyond else None), box
