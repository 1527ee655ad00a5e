"""Decodes a file to the pixels that a browser paints over white."""

import importlib
from collections.abc import Callable
from contextlib import suppress

from pipeline.decoding.avif import read_avif
from pipeline.decoding.bmp import read_bmp
from pipeline.decoding.formats import find_format
from pipeline.decoding.frame import Frame
from pipeline.decoding.gif import read_gif
from pipeline.decoding.heic import read_heic
from pipeline.decoding.jpeg import read_jpeg
from pipeline.decoding.jxl import read_jxl
from pipeline.decoding.pillow import limit_pillow
from pipeline.decoding.png import read_png
from pipeline.decoding.render import render
from pipeline.decoding.tiff import read_tiff
from pipeline.decoding.webp import read_webp
from pipeline.jxl.library import load_libjxl
from pipeline.verdict import RgbImage

READERS: dict[str, Callable[[bytes], Frame]] = {
    "jpeg": read_jpeg,
    "png": read_png,
    "gif": read_gif,
    "bmp": read_bmp,
    "webp": read_webp,
    "tiff": read_tiff,
    "avif": read_avif,
    "heic": read_heic,
    "jxl": read_jxl,
}
LATE_IMPORTS = (
    *(f"PIL.{name}ImagePlugin" for name in ("Avif", "Bmp", "Gif", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP")),
    *("PIL.ImageColor", "PIL.ImageFile", "PIL.ImagePalette", "mmap"),
)
"""imported by readers and by Pillow at the first file that needs them"""


def load_codecs() -> None:
    """Load now what would else be loaded by a file: a process that has given up its rights could not."""
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    for load in (load_libjxl, lambda: importlib.import_module("pillow_heif")):
        with suppress(ImportError):  # without its package a format is not decoded, and the others are
            load()


def decode(data: bytes, *, max_pixels: int) -> RgbImage:
    """Decode the first frame of a file as a viewer shows it: upright, sRGB, 8 bit, transparency over white.

    JPEG is decoded at full size (no draft mode), so that the same bytes always give the same pixels. The input is
    untrusted: call this function only where memory and time are limited.
    Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    name = find_format(data)
    with limit_pillow(max_pixels):
        frame = READERS[name](data)
        return RgbImage(render(frame), name, frames=frame.frames, frame=frame.frame, repaired=frame.repaired)
