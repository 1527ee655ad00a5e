"""What happens to images on their way: lossy files, cut borders, fewer pixels; annotated boxes follow. Pure.

Source: paper table 3; the share that a crop keeps and the filter are ours, it gives none.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from pipeline import geometry
from pipeline.verdict import BoundingBox, RgbImage

Boxes = tuple[BoundingBox, ...]
Degrade = Callable[[RgbImage, Boxes, int], tuple[RgbImage, Boxes]]

KEPT_SIDE_FRACTION = 0.8
STORED_QUALITY = 95
MIN_LEFT_FRACTION = 0.25
"""of a box's area; one of which less is left is no longer asked for"""


def jpeg(image: RgbImage, boxes: Boxes, _seed: int, *, quality: int) -> tuple[RgbImage, Boxes]:
    """As a JPEG file of this quality gives it back, its colours halved in both directions."""
    stream = io.BytesIO()
    image.pixels.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as opened:
        return replace(image, pixels=opened.convert("RGB")), boxes


def crop(image: RgbImage, boxes: Boxes, seed: int) -> tuple[RgbImage, Boxes]:
    """A window of 0.8 of each side, placed by `seed`; boxes are cut at its borders."""
    width, height = (max(1, round(side * KEPT_SIDE_FRACTION)) for side in image.size_px)
    rng = np.random.default_rng(seed)
    x = int(rng.integers(0, image.size_px[0] - width + 1))
    y = int(rng.integers(0, image.size_px[1] - height + 1))
    cut = ((box, geometry.clip(_moved(box, -x, -y), (width, height))) for box in boxes)
    left = tuple(part for box, part in cut if part and part.area_px >= MIN_LEFT_FRACTION * box.area_px)
    return replace(image, pixels=image.pixels.crop((x, y, x + width, y + height))), left


def half_size(image: RgbImage, boxes: Boxes, _seed: int) -> tuple[RgbImage, Boxes]:
    """Half of each side."""
    width, height = (max(1, side // 2) for side in image.size_px)
    scaled = (geometry.rescale(box.corners, from_size=image.size_px, to_size=(width, height)) for box in boxes)
    placed = (geometry.clip(corners, (width, height)) for corners in scaled)
    pixels = image.pixels.resize((width, height), Image.Resampling.LANCZOS)
    return replace(image, pixels=pixels), tuple(box for box in placed if box)


DEGRADATIONS: Mapping[str, Degrade] = {
    "jpeg_80": partial(jpeg, quality=80),
    "jpeg_30": partial(jpeg, quality=30),
    "crop": crop,
    "half_size": half_size,
}


def _stored_as_jpeg(image: RgbImage, boxes: Boxes, seed: int, *, degrade: Degrade) -> tuple[RgbImage, Boxes]:
    degraded, left = degrade(image, boxes, seed)
    return jpeg(degraded, left, seed, quality=STORED_QUALITY)


STORED_AS_JPEG: Mapping[str, Degrade] = {
    name: partial(_stored_as_jpeg, degrade=degrade) for name, degrade in DEGRADATIONS.items()
}
"""the same copies, each kept as a good JPEG file afterwards: what format they come in must not tell classes apart"""


def _moved(box: BoundingBox, x_px: int, y_px: int) -> geometry.Corners:
    return box.x1 + x_px, box.y1 + y_px, box.x2 + x_px, box.y2 + y_px
