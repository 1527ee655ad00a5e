"""Reads an image's size in the header of its file, where that takes a few bytes of arithmetic and no decoder."""

import struct

from pipeline.geometry import Size

_MOST_SEGMENTS = 256
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""markers of the segments that hold the size"""


def read_size(data: bytes, file_format: str) -> Size | None:
    """Return the size before the picture is turned upright; None where the header does not say it plainly."""
    reader = _READERS.get(file_format)
    try:
        size = reader(data) if reader else None
    except (struct.error, IndexError):  # the file is cut
        return None
    return size if size and min(size) > 0 else None


def _read_png(data: bytes) -> Size | None:
    width, height = struct.unpack_from(">II", data, 16)
    return (width, height) if data[12:16] == b"IHDR" else None


def _read_bmp(data: bytes) -> Size | None:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes < 40:  # that of OS/2
        return None
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)  # rows from the top have a negative height


def _read_webp(data: bytes) -> Size | None:
    if data[12:16] != b"VP8X":
        return None
    return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")


def _read_jpeg(data: bytes) -> Size | None:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        start, marker, length = struct.unpack_from(">BBH", data, place)
        if start != 0xFF or marker < 0xC0 or 0xD0 <= marker <= 0xDA:  # filling bytes, or the picture itself
            return None
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        place += 2 + length
    return None


_READERS = {"png": _read_png, "bmp": _read_bmp, "webp": _read_webp, "jpeg": _read_jpeg}
