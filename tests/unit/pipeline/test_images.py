import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from pipeline.verdict import BoundingBox, RgbImage
from tests.support.builders import build_noise


def to_array(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image).astype(int)


def test_png_is_lossless_and_without_metadata() -> None:
    pixels = build_noise()
    pixels.info = {"icc_profile": b"profile", "exif": b"Exif\0\0", "dpi": (300, 300)}
    data = images.encode_png(pixels)
    again = Image.open(io.BytesIO(data))
    assert (to_array(again) == to_array(pixels)).all()
    assert again.info == {}
    assert pixels.info != {}


def build_rgb(width: int, height: int) -> RgbImage:
    return RgbImage(build_noise(width, height), "png")


def test_view_fits_the_budget_and_leaves_a_fitting_image_alone() -> None:
    assert images.build_view(build_rgb(1000, 500), 512 * 512).size == (700, 364)
    image = build_rgb(56, 84)
    assert images.build_view(image, 512 * 512).pixels is image.pixels


def test_crop_is_cut_from_the_full_image_with_its_margin() -> None:
    image = build_rgb(400, 300)
    box = BoundingBox(100, 100, 200, 200)
    crop = images.crop(image, box, 336 * 336)
    assert crop.box == box
    assert crop.image.size == (336, 336)
    expected = image.pixels.crop((95, 95, 205, 205)).resize((336, 336), Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert (to_array(crop.image.pixels) == to_array(expected)).all()
    assert crop.image.sha256 == images.digest_pixels(expected)


def test_a_crop_is_not_compared_with_the_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert images.crop(build_rgb(400, 300), BoundingBox(0, 0, 400, 300), 336 * 336).image.size[0] > 300


def test_digest_tells_shapes_apart() -> None:
    assert images.digest_pixels(Image.new("RGB", (8, 8))) != images.digest_pixels(Image.new("RGB", (4, 16)))
    assert (
        images.digest_pixels(build_noise())
        == images.digest_pixels(build_noise())
        != images.digest_pixels(build_noise(seed=1))
    )
