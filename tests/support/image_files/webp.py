"""Builds WebP files chunk by chunk, also such as no encoder writes."""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

ANIMATION, XMP, EXIF, ALPHA, ICC = 0x02, 0x04, 0x08, 0x10, 0x20
"""flags of the extended header (VP8X)"""


@dataclass(frozen=True)
class WebpFrame:
    """Both sides of `at` are even: the file stores half of them."""

    pixels: Image.Image
    at: tuple[int, int] = (0, 0)
    lossless: bool = True
    clears: bool = False
    blends: bool = True


def build_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def build_webp(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def build_header(size: tuple[int, int], flags: int = 0) -> bytes:
    """Build the extended header, which states the canvas."""
    return build_chunk(b"VP8X", struct.pack("<I", flags) + _pack_24(size[0] - 1) + _pack_24(size[1] - 1))


def build_animation(
    size: tuple[int, int], frames: Iterable[WebpFrame], *, flags: int = 0, background: int = 0
) -> bytes:
    """Build a file of frames over a canvas; `background` is BGRA, blue in the lowest byte."""
    head = build_header(size, ANIMATION | flags) + build_chunk(b"ANIM", struct.pack("<IH", background, 0))
    return build_webp(head, *(build_frame(frame) for frame in frames))


def build_frame(frame: WebpFrame) -> bytes:
    width, height = frame.pixels.size
    place = [_pack_24(number) for number in (frame.at[0] // 2, frame.at[1] // 2, width - 1, height - 1, 100)]
    flags = (not frame.blends) << 1 | frame.clears
    return build_chunk(b"ANMF", b"".join(place) + bytes([flags]) + encode_pixels(frame.pixels, lossless=frame.lossless))


def encode_pixels(pixels: Image.Image, *, lossless: bool = True) -> bytes:
    """Return the chunks that hold the pixels: VP8L, or VP8 with ALPH before it where they have transparency."""
    stream = io.BytesIO()
    pixels.save(stream, "WEBP", lossless=lossless, exact=True, quality=90)
    return b"".join(
        build_chunk(kind, content)
        for kind, content in split_chunks(stream.getvalue())
        if kind in (b"ALPH", b"VP8 ", b"VP8L")
    )


def split_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each chunk."""
    at = 12
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _pack_24(number: int) -> bytes:
    return struct.pack("<I", number)[:3]
