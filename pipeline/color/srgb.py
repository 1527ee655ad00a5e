"""Converts pixels to sRGB by the color that their file states."""

from PIL import Image

from pipeline.color.coded import CodedColor
from pipeline.color.conversions import find_conversion
from pipeline.color.icc import IccProfile

Color = IccProfile | CodedColor
"""The color that a file states; a file that states none is sRGB."""
_CACHED_BYTES = 4 * 1024 * 1024
"""of the largest profile that is kept with its conversion"""


def convert_to_srgb(pixels: Image.Image, color: Color) -> Image.Image:
    """Convert pixels without transparency, of mode L, RGB or CMYK, to sRGB, mode RGB.

    A profile that browsers ignore is ignored, and one that changes no sample by more than one step costs nothing.
    """
    is_large = isinstance(color, IccProfile) and len(color.data) > _CACHED_BYTES
    conversion = (find_conversion.__wrapped__ if is_large else find_conversion)(color, pixels.mode)
    if conversion is not None:
        return conversion(pixels)
    return pixels if pixels.mode == "RGB" else pixels.convert("RGB")
