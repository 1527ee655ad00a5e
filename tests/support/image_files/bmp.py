"""Builds BMP files of each version, so that a test can set any field and break any part."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NONE, RUNS_8, RUNS_4, BIT_FIELDS, RUNS_24, ALPHA_BIT_FIELDS = 0, 1, 2, 3, 4, 6
COLORS = bytes(value for index in range(256) for value in (index, 255 - index, index * 5 % 256, 0))
"""a palette of 256 colors: blue, green, red and a byte that means nothing"""


def build_header(
    width: int,
    height: int,
    *,
    version: int = 40,
    bits: int = 24,
    compression: int = NONE,
    colors: int = 0,
    masks: tuple[int, ...] = (),
    profile: tuple[int, int] | None = None,
) -> bytes:
    """Build a header of `version` bytes. Masks that do not fit into it follow it; a profile is its start and length."""
    if version == 12:
        return struct.pack("<I4H", version, width, height, 1, bits)
    fields = struct.pack("<IiiHHIIiiII", version, width, height, 1, bits, compression, 0, 2835, 2835, colors, 0)
    packed_masks = struct.pack(f"<{len(masks)}I", *masks)
    if version < 52 or version == 64:
        return fields[:version].ljust(version, b"\0") + packed_masks
    header = (fields + packed_masks).ljust(version, b"\0")
    if profile is not None:
        header = header[:56] + b"DEBM" + header[60:112] + struct.pack("<II", *profile) + header[120:]
    return header


def build_file(header: bytes, pixels: bytes, *, palette: bytes = b"", start: int | None = None) -> bytes:
    pixels_start = 14 + len(header) + len(palette) if start is None else start
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, pixels_start) + header + palette + pixels


def build_rows(image: Image.Image, *, order: str = "BGR", top_down: bool = False) -> bytes:
    """Build rows of an RGBA image from the letters of the bytes of a pixel; X is a byte that means nothing."""
    channels = dict(zip("RGBA", np.moveaxis(np.asarray(image.convert("RGBA")), 2, 0), strict=True))
    channels["X"] = np.full_like(channels["R"], 7)
    return pad_rows(np.stack([channels[letter] for letter in order], axis=2), top_down=top_down)


def pad_rows(rows: NDArray[np.uint8], *, top_down: bool = False) -> bytes:
    """Fill the bytes of each row up to 4, and turn them upside down."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4)))
    return (padded if top_down else padded[::-1]).tobytes()
