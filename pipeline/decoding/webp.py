"""Reads WebP files as browsers do."""

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile

from pipeline.color.icc import IccProfile
from pipeline.decoding.animation import choose_frame
from pipeline.decoding.frame import Frame
from pipeline.decoding.pillow import convert_to_8_bit, open_file
from pipeline.errors import ImageUndecodable

_FIRST_CHUNK, _FLAGS = 12, 20
"""places in a file"""
_ANIMATED, _TRANSPARENT = 0x02, 0x10
"""flags of the extended header (VP8X)"""
_BAND = 16
_WITHHELD = 9
"""rows of a lossy picture that libwebp gives out with the next band only: their filter needs that"""
_FILLING_PER_PIXEL = 2


def read_webp(data: bytes) -> Frame:
    """Read a still picture, or the first frame of an animation that shows something.

    EXIF is not obeyed: Chromium does not turn WebP, Safari does. A file that is cut short is not shown; one that is
    whole is shown as far as its picture goes.
    """
    flags = data[_FLAGS] if data[_FIRST_CHUNK:_FLAGS].startswith(b"VP8X") and len(data) > _FLAGS else None
    if flags is not None and flags & _ANIMATED:
        return _read_animation(data, is_transparent=bool(flags & _TRANSPARENT))
    with open_file(data, "WEBP") as image:
        icc_profile = image.info.get("icc_profile")
        color = IccProfile(icc_profile) if icc_profile else None
        try:
            image.load()
        except OSError:
            return Frame(_read_rows(data, image.size), color, repaired=True)
        pixels = convert_to_8_bit(image)
    if flags is not None and not flags & _TRANSPARENT and pixels.mode == "RGBA":
        pixels = _divide_by_alpha(pixels)
    return Frame(pixels, color)


def _read_animation(data: bytes, *, is_transparent: bool) -> Frame:
    """Browsers compose over a transparent canvas: they ignore the background color, and a profile too."""
    flagged = bytearray(data)
    flagged[_FLAGS] |= _TRANSPARENT  # else Pillow drops what says where nothing is painted
    with open_file(bytes(flagged), "WEBP") as image:
        count = getattr(image, "n_frames", 1)
        frames = _compose(image, count)
        number, pixels = choose_frame(frames) if count > 1 else (0, next(frames))
    return Frame(pixels if is_transparent else _add_white(pixels), frames=count, frame=number)


def _compose(image: ImageFile.ImageFile, count: int) -> Iterator[Image.Image]:
    for number in range(count):
        image.seek(number)
        image.load()
        yield image.copy()  # the next frame is read into the same memory


def _divide_by_alpha(pixels: Image.Image) -> Image.Image:
    """Return what Chromium paints of a still picture with transparency that its header denies."""
    samples = np.asarray(pixels).astype(np.uint16)
    opacity = np.maximum(samples[..., 3:], 1)
    return Image.fromarray(np.minimum(samples[..., :3] * np.uint16(255) // opacity, 255).astype(np.uint8))


def _add_white(pixels: Image.Image) -> Image.Image:
    """Return what Chromium paints of an animation with transparency that its header denies."""
    samples = np.asarray(pixels).astype(np.uint16)
    return Image.fromarray(np.minimum(samples[..., :3] + (255 - samples[..., 3:]), 255).astype(np.uint8))


def _read_rows(data: bytes, size_px: tuple[int, int]) -> Image.Image:
    """Return the rows that came of a picture that is broken within a whole file; the others are transparent.

    libwebp gives all rows or none. If a picture is completed in two ways, its pixels are the same as far as it came; of
    these, browsers show whole bands. Raises: ImageUndecodable if they show none.
    """
    length = size_px[0] * size_px[1] * _FILLING_PER_PIXEL
    (kind, pixels), (_, other) = (_complete(data, filling * length) for filling in (b"\0", b"\xaa"))
    differs = (np.asarray(pixels) != np.asarray(other)).any(axis=(1, 2))
    came = int(differs.argmax()) if differs.any() else pixels.height
    if kind == b"VP8L":
        came = min(came, pixels.height - 1) // _BAND * _BAND  # something is missing, be it of the last pixel
    elif came < pixels.height:
        came = (came + _BAND // 2) // _BAND * _BAND - _WITHHELD
    if came <= 0:
        raise ImageUndecodable("a WebP file whose picture is broken from its start on")
    pixels.paste((0, 0, 0, 0), (0, came, *pixels.size))
    return pixels


def _complete(data: bytes, filling: bytes) -> tuple[bytes, Image.Image]:
    """Return the kind of the chunk that holds the picture, and the pixels of a file with more bytes in that chunk."""
    at = _FIRST_CHUNK
    kind, length = struct.unpack_from("<4sI", data, at)
    while kind not in (b"VP8 ", b"VP8L"):
        at += 8 + length + length % 2
        kind, length = struct.unpack_from("<4sI", data, at)
    picture = data[at + 8 : at + 8 + length] + filling
    picture += b"\0" * (len(picture) % 2)
    chunks = b"WEBP" + data[_FIRST_CHUNK:at] + kind + struct.pack("<I", len(picture)) + picture
    with open_file(b"RIFF" + struct.pack("<I", len(chunks)) + chunks, "WEBP") as image:
        image.load()
        return kind, image.convert("RGBA")
