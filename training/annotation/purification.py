"""Which of an image's boxes stay, as far as geometry says; each one that goes is counted by its reason.

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
    """What became of a box; `clipped` and `unclear` ones stay."""

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
    shown: str


def by_geometry(
    named: Sequence[tuple[geometry.Corners, str]], size: geometry.Size
) -> tuple[list[Region], Counter[Fate]]:
    """The regions inside an image of `size` that are neither too large nor repeated, in order, and all fates."""
    fates: Counter[Fate] = Counter()
    kept: list[Region] = []
    for corners, shown in named:
        fate, box = _judged(corners, size)
        if box is not None and any(geometry.iou(box, other.box) >= geometry.SAME_REGION_IOU for other in kept):
            fate, box = Fate.REPEATED, None
        if fate is not None:
            fates[fate] += 1
        if box is not None:
            kept.append(Region(box, shown))
    return kept, fates


def _judged(corners: geometry.Corners, size: geometry.Size) -> tuple[Fate | None, BoundingBox | None]:
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
