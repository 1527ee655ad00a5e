"""Limits the pixels of an image before memory is taken for them, in Pillow and in our own readers alike."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from pipeline.errors import ImageTooLarge

_CURE = "ZOOMIN_STORE__MAX_IMAGE_PIXELS sets it"


@contextmanager
def limit_pixels(max_pixels: int) -> Iterator[None]:
    """Set the limit of all readers. Pillow compares each frame with it before it reads a pixel."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def get_pixel_limit() -> float:
    return Image.MAX_IMAGE_PIXELS or math.inf


def check_size(size_px: tuple[int, int]) -> None:
    """Refuse an image where no plugin of Pillow does. Raises: ImageTooLarge."""
    pixels = size_px[0] * size_px[1]
    if pixels > get_pixel_limit():
        raise build_refusal(f"Image size ({pixels} pixels)")


def build_refusal(excess: str) -> ImageTooLarge:
    """Build the error for what exceeds the limit."""
    return ImageTooLarge(f"{excess} exceeds the limit of {get_pixel_limit()} pixels; {_CURE}")
