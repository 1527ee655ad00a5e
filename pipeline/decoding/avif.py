"""Reads AVIF files as browsers do."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image, ImageFile

from pipeline.color.coded import BT709, CodedColor, find_coded_color
from pipeline.color.curves import SRGB_CURVE
from pipeline.color.icc import IccProfile, read_profile
from pipeline.color.srgb import Color
from pipeline.decoding.animation import choose_frame
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import read_exif_orientation
from pipeline.decoding.pillow import convert_to_8_bit, open_file
from pipeline.errors import ImageUndecodable
from pipeline.heif.items import read_brands
from pipeline.heif.properties import PictureProperties, adapt_for_libavif, read_properties, read_track_properties

_VIDEO_TRANSFERS = (1, 6, 14, 15)
"""code points that Chromium takes for sRGB's curve in a still picture"""
_REFUSED_TRANSFERS = (9, 10, 11, 12)
"""code points of pictures that Chromium does not show"""
_UNKNOWN_MATRICES = (12, 13, 14)
"""code points of pictures whose color Chromium does not know, so that it takes them for sRGB"""
_LIMITED_BLACK, _LUMA_GAIN, _CHROMA_GAIN = 16, 255 / 219, 255 / 224
_LUMA = (0.299, 0.587, 0.114)
_EXPANDED_ALPHA = [round(min(max((level - _LIMITED_BLACK) * _LUMA_GAIN, 0), 255)) for level in range(256)]


def read_avif(data: bytes) -> Frame:
    """Read a still picture, or the first frame of an animation that shows something.

    It is turned by `irot` and `imir`, never by EXIF. A cut file is not shown.
    """
    properties = read_properties(data)
    with open_file(adapt_for_libavif(data), "AVIF") as image:
        orientation = read_exif_orientation(image.info.get("exif", b""))  # Pillow states `irot` and `imir` by it
        if read_brands(data)[0] == b"avis":
            return _read_animation(image, read_track_properties(data), orientation)
        color = _find_color(properties)
        _load(image)
        pixels = _crop(convert_to_8_bit(image), properties.boxes.get(b"clap", b""))
        if pixels.mode == "RGBA":
            pixels.putalpha(pixels.getchannel("A").point(_EXPANDED_ALPHA))
        return Frame(pixels, color, orientation)


def _read_animation(image: ImageFile.ImageFile, properties: PictureProperties, orientation: int) -> Frame:
    color = _find_color(properties)
    is_full = properties.nclx is not None and properties.nclx[6:7] >= b"\x80"
    count = getattr(image, "n_frames", 1)
    frames = _compose(image, count, is_full=is_full)
    number, pixels = choose_frame(frames, color) if count > 1 else (0, next(frames))
    return Frame(pixels, color, orientation, count, number)


def _compose(image: ImageFile.ImageFile, count: int, *, is_full: bool) -> Iterator[Image.Image]:
    for number in range(count):
        image.seek(number)
        _load(image)
        pixels = convert_to_8_bit(image)
        yield _expand_range(pixels) if is_full else pixels.copy()


def _load(image: ImageFile.ImageFile) -> None:
    """Load the pixels. Raises: ImageUndecodable."""
    try:
        image.load()
    except RuntimeError as error:  # of libavif; any other reader's would be a fault of the interpreter
        raise ImageUndecodable(f"libavif refuses it: {error}"[:200]) from None


def _find_color(properties: PictureProperties) -> Color | None:
    """Return the color of a profile, else of code points. Raises: ImageUndecodable for what Chromium does not show."""
    if properties.icc_profile is not None:
        profile = read_profile(properties.icc_profile)
        if profile is None or profile.space != b"RGB ":
            raise ImageUndecodable("its color profile is broken, or of another space than RGB")
        return IccProfile(properties.icc_profile)
    if properties.nclx is None or len(properties.nclx) < 6:
        return None
    primaries, transfer, matrix = struct.unpack_from(">HHH", properties.nclx)
    if transfer in _REFUSED_TRANSFERS:
        raise ImageUndecodable(f"its transfer function has the code point {transfer}, which browsers do not show")
    if matrix in _UNKNOWN_MATRICES:
        return None
    known = find_coded_color(primaries, 13) or CodedColor(BT709, SRGB_CURVE)
    stated = None if transfer in _VIDEO_TRANSFERS else find_coded_color(1, transfer)
    color = replace(known, transfer=stated.transfer) if stated else known
    light = properties.boxes.get(b"clli", b"")
    peak_nits = int.from_bytes(light[:2])
    return replace(color, peak_nits=float(peak_nits)) if peak_nits else color


def _crop(pixels: Image.Image, clap: bytes) -> Image.Image:
    """Return the part that a clean aperture leaves; as in Chromium, it counts at the upper left corner only."""
    if len(clap) < 32:
        return pixels
    numbers = struct.unpack(">4I", clap[:16]) + struct.unpack(">iIiI", clap[16:32])
    if not all(numbers[1::2]):
        return pixels
    width, height, right, down = (number / divisor for number, divisor in zip(numbers[::2], numbers[1::2], strict=True))
    is_whole = width.is_integer() and height.is_integer() and 0 < width <= pixels.width and 0 < height <= pixels.height
    if is_whole and (pixels.width - width) / 2 + right == 0 and (pixels.height - height) / 2 + down == 0:
        return pixels.crop((0, 0, int(width), int(height)))
    return pixels


def _expand_range(pixels: Image.Image) -> Image.Image:
    """Return what Chromium shows of an animation of full range: it takes its samples for those of limited range."""
    rows: list[float] = []
    for channel in range(3):
        own = [_CHROMA_GAIN if other == channel else 0.0 for other in range(3)]
        rows += [gain + (_LUMA_GAIN - _CHROMA_GAIN) * luma for gain, luma in zip(own, _LUMA, strict=True)]
        rows.append(-_LIMITED_BLACK * _LUMA_GAIN)
    expanded = pixels.convert("RGB").convert("RGB", tuple(rows))
    if pixels.mode == "RGBA":
        expanded.putalpha(pixels.getchannel("A"))
    return expanded
