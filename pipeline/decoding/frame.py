"""The picture that viewers show of a file, before its colors are converted: what the reader of each format returns."""

from dataclasses import dataclass

from PIL import Image

from pipeline.color.srgb import Color


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """`pixels` are as in the file, with 8 bits a sample: mode L, LA, RGB, RGBA or CMYK.

    `color` is None for sRGB. `orientation` is EXIF's, 1 to 8, where viewers obey it. `frames` counts the frames that
    viewers show, and `frame` is the number of this one, from 0. `repaired`: the file is broken, and viewers show it
    nevertheless.
    """

    pixels: Image.Image
    color: Color | None = None
    orientation: int = 1
    frames: int = 1
    frame: int = 0
    repaired: bool = False
