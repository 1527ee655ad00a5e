"""Perturbations that images meet on their way: lossy files, cut borders, fewer pixels; annotated boxes follow. Pure.

Source: paper table 3; the side of a crop and the filter are ours, it gives none.
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
Perturb = Callable[[RgbImage, Boxes, int], tuple[RgbImage, Boxes]]
"""from image, boxes and seed to the perturbed image and its boxes"""

CROP_SIDE_FRACTION = 0.8
STORED_QUALITY = 95
MIN_LEFT_FRACTION = 0.25
"""of a box's area; a box of which less is left is dropped"""


def compress_jpeg(image: RgbImage, boxes: Boxes, _seed: int, *, quality: int) -> tuple[RgbImage, Boxes]:
    """Return the image as a JPEG file of this quality stores it, its colours halved in both directions."""
    stream = io.BytesIO()
    image.pixels.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as stored:
        return replace(image, pixels=stored.convert("RGB")), boxes


def crop_window(image: RgbImage, boxes: Boxes, seed: int) -> tuple[RgbImage, Boxes]:
    """Return a window of 0.8 of each side, placed by `seed`; boxes are cut at its borders."""
    width, height = (max(1, round(side * CROP_SIDE_FRACTION)) for side in image.size_px)
    rng = np.random.default_rng(seed)
    x = int(rng.integers(0, image.size_px[0] - width + 1))
    y = int(rng.integers(0, image.size_px[1] - height + 1))
    clipped = ((box, geometry.clip(_shift(box, -x, -y), (width, height))) for box in boxes)
    left = tuple(part for box, part in clipped if part and part.area_px >= MIN_LEFT_FRACTION * box.area_px)
    return replace(image, pixels=image.pixels.crop((x, y, x + width, y + height))), left


def halve_size(image: RgbImage, boxes: Boxes, _seed: int) -> tuple[RgbImage, Boxes]:
    """Return the image with half of each side."""
    width, height = (max(1, side // 2) for side in image.size_px)
    scaled = (geometry.rescale(box.corners, from_size=image.size_px, to_size=(width, height)) for box in boxes)
    placed = (geometry.clip(corners, (width, height)) for corners in scaled)
    pixels = image.pixels.resize((width, height), Image.Resampling.LANCZOS)
    return replace(image, pixels=pixels), tuple(box for box in placed if box)


PERTURBATIONS: Mapping[str, Perturb] = {
    "jpeg_80": partial(compress_jpeg, quality=80),
    "jpeg_30": partial(compress_jpeg, quality=30),
    "crop": crop_window,
    "half_size": halve_size,
}


def _store_as_jpeg(image: RgbImage, boxes: Boxes, seed: int, *, perturb: Perturb) -> tuple[RgbImage, Boxes]:
    perturbed, left = perturb(image, boxes, seed)
    return compress_jpeg(perturbed, left, seed, quality=STORED_QUALITY)


STORED_AS_JPEG: Mapping[str, Perturb] = {
    name: partial(_store_as_jpeg, perturb=perturb) for name, perturb in PERTURBATIONS.items()
}
"""the same copies, each stored as a good JPEG file afterwards: a copy's file format must not tell classes apart"""


def _shift(box: BoundingBox, x_px: int, y_px: int) -> geometry.Corners:
    return box.x1 + x_px, box.y1 + y_px, box.x2 + x_px, box.y2 + y_px
