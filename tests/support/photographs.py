"""Real photographs that a package ships, as tests want them: gray ones of 512 x 512, and one of them tinted."""

import numpy as np
import pywt.data
from PIL import Image

from pipeline.verdict import RgbImage

NAMES = ("aero", "ascent", "camera")


def taken(name: str) -> Image.Image:
    """From the air, people on stairs, or a man with a camera; RGB."""
    return Image.fromarray(getattr(pywt.data, name)()).convert("RGB")


def tinted() -> Image.Image:
    """The stairs in colours so strong that they reach black and white in some channel."""
    gray = np.asarray(taken("ascent"), np.float32)
    return Image.fromarray(np.clip(gray * (1.8, 1.0, 0.5) - (60, 0, 0), 0, 255).astype(np.uint8))


def photograph(pixels: Image.Image) -> RgbImage:
    return RgbImage(pixels, "png")
