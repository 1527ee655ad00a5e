"""Converts pixels to sRGB by the color that their file states."""

import io

from PIL import Image, ImageCms

from pipeline.color.coded import CodedColor
from pipeline.color.icc import IccProfile

Color = IccProfile | CodedColor
"""The color that a file states; a file that states none is sRGB."""


def convert_to_srgb(pixels: Image.Image, color: Color) -> Image.Image:
    """Convert pixels without transparency, of mode L, RGB or CMYK, to sRGB, mode RGB.

    A broken profile, or one of other channels, is ignored.
    """
    if isinstance(color, CodedColor):
        return pixels if pixels.mode == "RGB" else pixels.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(color.data))
        if (profile.profile.profile_description or "").startswith("sRGB"):
            return pixels if pixels.mode == "RGB" else pixels.convert("RGB")
        converted = ImageCms.profileToProfile(pixels, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        converted = None
    return converted or pixels.convert("RGB")
