"""Renders a frame as viewers do: colors to sRGB, then over white, then upright."""

from PIL import Image

from pipeline.color.srgb import Color, convert_to_srgb
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import turn_upright


def render(frame: Frame) -> Image.Image:
    """Return RGB pixels without the metadata of their file."""
    pixels = turn_upright(render_over_white(frame.pixels, frame.color), frame.orientation)
    pixels = pixels._new(pixels.im)  # without a copy, and without what the file's own class knows of it
    pixels.info = {}  # drop the metadata: place, camera, texts, profiles
    return pixels


def render_over_white(pixels: Image.Image, color: Color | None) -> Image.Image:
    """Return RGB pixels: colors are converted first, then what is transparent becomes white."""
    if pixels.mode not in ("LA", "RGBA"):
        return _convert(pixels, color)
    opaque = _convert(pixels.convert(pixels.mode.removesuffix("A")), color)
    white = Image.new("RGB", pixels.size, (255, 255, 255))
    white.paste(opaque, mask=pixels.getchannel("A"))
    return white


def _convert(pixels: Image.Image, color: Color | None) -> Image.Image:
    if color is not None:
        return convert_to_srgb(pixels, color)
    return pixels if pixels.mode == "RGB" else pixels.convert("RGB")  # convert would copy
