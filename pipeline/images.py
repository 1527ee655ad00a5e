"""Bytes to checked RGB; views and crops for the model."""

import hashlib

from PIL import Image

from pipeline import geometry
from pipeline.verdict import BoundingBox, Crop, RgbImage

View = Image.Image


def view(image: RgbImage, max_pixels: int) -> View:
    """The whole image in the size that the model sees; vLLM never resizes again."""
    return _resize(image.pixels, geometry.fit(image.size_px, max_pixels))


def crop(image: RgbImage, box: BoundingBox, max_pixels: int) -> Crop:
    """`box` with its margin, cut from the full-size image and scaled to the budget."""
    window = geometry.crop_window(box, image.size_px)
    cut = image.pixels.crop(window.corners)
    pixels = _resize(cut, geometry.fit(cut.size, max_pixels, enlarge=True))
    return Crop(box, pixels, digest(pixels))


def digest(pixels: Image.Image) -> str:
    """sha256 of size and RGB bytes."""
    return hashlib.sha256(f"{pixels.width}x{pixels.height}".encode() + pixels.tobytes()).hexdigest()


def _resize(pixels: Image.Image, size: geometry.Size) -> Image.Image:
    if pixels.size == size:
        return pixels
    return pixels.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
