"""Bring both classes to the same sizes, so that neither resolution nor shape reveals the label.

Photographs are often delivered small and generated images large: in one frame, a detector would learn which pictures
were enlarged. Here images of both classes that have similar sizes form groups, and each group gets one size that none
of its images has to be enlarged to. Both classes then have the same sizes equally often, and come by them the same way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.geometry import Size
from pipeline.verdict import Verdict

ASPECT_STEP = 0.2
"""logarithm (of base 2) of the aspect ratio in which images still have one shape: 4:3 and 5:4 have, 4:3 and 3:2 not"""
MAX_ASPECT = 3.0
"""the aspect ratio of the longest shape; a panorama is cut to it, or the other class would have to become one"""


@dataclass(frozen=True, slots=True)
class SizedImage:
    """What the match needs to know of an image; `digest` decides between images of one size."""

    label: Verdict
    size_px: Size
    digest: str


def match_sizes(images: Sequence[SizedImage]) -> list[Size]:
    """Return for each image the size that it is brought to.

    An image of the smaller class and its share of the larger one, neighbours in shape and size, get the shape of the
    photographs among them, and the largest size of this shape that all of them have.
    """
    ordered = {
        label: sorted((n for n, image in enumerate(images) if image.label is label), key=lambda n: _rank(images[n]))
        for label in Verdict
    }
    smaller, larger = sorted(ordered.values(), key=len)
    matched = [image.size_px for image in images]
    for place, number in enumerate(smaller):
        first, last = (-(-end * len(larger) // len(smaller)) for end in (place, place + 1))
        group = [number, *larger[first:last]]
        size = _choose_size([images[n] for n in group])
        for member in group:
            matched[member] = size
    return matched


def _rank(image: SizedImage) -> tuple[int, int, str]:
    return round(math.log2(_compute_aspect(image.size_px)) / ASPECT_STEP), min(image.size_px), image.digest


def _compute_aspect(size: Size) -> float:
    return size[0] / size[1]


def _choose_size(group: Sequence[SizedImage]) -> Size:
    shapes = [image.size_px for image in group if image.label is Verdict.REAL]
    width, height = shapes[len(shapes) // 2]
    width, height = min(width, round(MAX_ASPECT * height)), min(height, round(MAX_ASPECT * width))
    scale = min(1.0, *(min(size[0] / width, size[1] / height) for size in (image.size_px for image in group)))
    return max(1, round(width * scale)), max(1, round(height * scale))
