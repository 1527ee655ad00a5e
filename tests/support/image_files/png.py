"""Builds PNG files chunk by chunk, so that a test can break any of them."""

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
COLOR_TYPES = {"L": GRAY, "RGB": RGB, "P": PALETTE, "LA": GRAY_ALPHA, "RGBA": RGB_ALPHA}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""left, top and steps of each pass"""


def build_chunk(kind: bytes, content: bytes = b"", *, crc_is_wrong: bool = False) -> bytes:
    crc = zlib.crc32(kind + content) ^ crc_is_wrong
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def build_header(
    width: int, height: int, *, depth: int = 8, color_type: int = RGB, is_interlaced: bool = False
) -> bytes:
    return build_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, is_interlaced))


def build_rows(pixels: Image.Image | np.ndarray[Any, Any], *, is_interlaced: bool = False) -> bytes:
    """Build the rows of pixels, unfiltered and not yet packed. Shapes: pixels (height, width, samples)."""
    levels = np.asarray(pixels)
    passes = ADAM7 if is_interlaced else ((0, 0, 1, 1),)
    parts = [levels[top::step_y, left::step_x] for left, top, step_x, step_y in passes]
    return b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)


def build_file(
    pixels: Image.Image, *before: bytes, data: bytes | None = None, after: bytes = b"", end: bytes = END
) -> bytes:
    """Build a file of 8 bits a sample; `before` and `after` are chunks around IDAT, `data` replaces its content."""
    header = build_header(*pixels.size, color_type=COLOR_TYPES[pixels.mode])
    packed = zlib.compress(build_rows(pixels)) if data is None else data
    return SIGNATURE + header + b"".join(before) + build_chunk(b"IDAT", packed) + after + end


def split_data(packed: bytes, size: int) -> list[bytes]:
    """Split packed rows into chunks of `size` bytes."""
    return [build_chunk(b"IDAT", packed[at : at + size]) for at in range(0, len(packed), size)]


def build_animation_control(frames: int) -> bytes:
    return build_chunk(b"acTL", struct.pack(">II", frames, 0))


def build_frame_control(
    sequence: int, size: tuple[int, int], offset: tuple[int, int] = (0, 0), *, dispose: int = 0, blend: int = 0
) -> bytes:
    return build_chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, *size, *offset, 1, 10, dispose, blend))


def build_frame_data(sequence: int, pixels: Image.Image) -> bytes:
    return build_chunk(b"fdAT", struct.pack(">I", sequence) + zlib.compress(build_rows(pixels)))
