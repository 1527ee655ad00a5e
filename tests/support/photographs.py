"""Load the real photographs that a package ships: gray ones of 512 x 512, and one of them tinted."""

import numpy as np
import pywt.data
from PIL import Image

from pipeline.verdict import RgbImage

NAMES = ("aero", "ascent", "camera")


def load_photograph(name: str) -> Image.Image:
    """Load a view from the air, people on stairs, or a man with a camera, as RGB."""
    return Image.fromarray(getattr(pywt.data, name)()).convert("RGB")


def load_tinted() -> Image.Image:
    """Load the stairs in colours so strong that some channels reach black and white."""
    gray = np.asarray(load_photograph("ascent"), np.float32)
    return Image.fromarray(np.clip(gray * (1.8, 1.0, 0.5) - (60, 0, 0), 0, 255).astype(np.uint8))


def build_photograph(pixels: Image.Image) -> RgbImage:
    return RgbImage(pixels, "png")
