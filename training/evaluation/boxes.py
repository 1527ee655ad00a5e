"""Functions that choose what Query 2 sees in place of the model's own boxes, for `inspect`. Pure."""

from collections.abc import Sequence

import numpy as np

from pipeline import geometry, images
from pipeline.verdict import BoundingBox
from training.evaluation.samples import Sample


def choose_annotated(sample: Sample) -> geometry.RegionChooser:
    """Choose the annotated boxes, whatever the model names."""
    return lambda _regions, size, max_crops: geometry.choose_zoomable(sample.annotated, size, max_crops)


def choose_anywhere(sample: Sample) -> geometry.RegionChooser:
    """Choose random boxes that depend on the image's pixels alone, not on its place in a set."""
    return choose_random(int(images.digest_pixels(sample.image.pixels)[:16], 16))


def choose_random(seed: int) -> geometry.RegionChooser:
    """Choose boxes anywhere in the image, as many as the model's own and of their sizes."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        rng = np.random.default_rng(seed)
        return [_move(rng, box, size) for box in geometry.choose_zoomable(regions, size, max_crops)]

    return choose


def _move(rng: np.random.Generator, box: BoundingBox, size: geometry.Size) -> BoundingBox:
    x = int(rng.integers(0, size[0] - box.width_px + 1))
    y = int(rng.integers(0, size[1] - box.height_px + 1))
    return BoundingBox(x, y, x + box.width_px, y + box.height_px)


def choose_largest(limit: int) -> geometry.RegionChooser:
    """Choose the `limit` largest of the model's own boxes, in the model's order."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        boxes = geometry.choose_zoomable(regions, size, max_crops)
        by_area = sorted(range(len(boxes)), key=lambda number: -boxes[number].area_px)
        return [boxes[number] for number in sorted(by_area[:limit])]

    return choose
