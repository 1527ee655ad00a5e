"""What Query 2 sees enlarged in place of the model's own boxes, each a `choose` function of `inspect`. Pure."""

from collections.abc import Sequence

import numpy as np

from pipeline import geometry, images
from pipeline.verdict import BoundingBox
from training.evaluation.samples import Sample


def annotated(sample: Sample) -> geometry.Choose:
    """The boxes of the truth, whatever the model says."""
    return lambda _regions, size, max_crops: geometry.zoomable(sample.annotated, size, max_crops)


def anywhere(sample: Sample) -> geometry.Choose:
    """Random ones, which hang on the image's pixels alone and not on its place in a set."""
    return random(int(images.digest(sample.image.pixels)[:16], 16))


def random(seed: int) -> geometry.Choose:
    """As many boxes as the model's own and as large, anywhere in the image; none where it names none."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        rng = np.random.default_rng(seed)
        return [_moved(rng, box, size) for box in geometry.zoomable(regions, size, max_crops)]

    return choose


def _moved(rng: np.random.Generator, box: BoundingBox, size: geometry.Size) -> BoundingBox:
    x = int(rng.integers(0, size[0] - box.width_px + 1))
    y = int(rng.integers(0, size[1] - box.height_px + 1))
    return BoundingBox(x, y, x + box.width_px, y + box.height_px)


def largest(limit: int) -> geometry.Choose:
    """The model's own boxes, of more than `limit` the largest ones, in the model's order."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        boxes = geometry.zoomable(regions, size, max_crops)
        by_area = sorted(range(len(boxes)), key=lambda number: -boxes[number].area_px)
        return [boxes[number] for number in sorted(by_area[:limit])]

    return choose
