"""Reads the headers of a BMP file: those of OS/2, and those of Windows up to its fifth version."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from pipeline.errors import ImageRefused, ImageUndecodable

FILE_HEADER_BYTES = 14
OS2_1 = 12
_WINDOWS = (40, 52, 56, 108, 124)
_OS2_2 = (*range(16, 65, 4), 42, 46)
_WITH_MASKS, _WITH_ALPHA_MASK, _V4, _V5 = 52, 56, 108, 124
"""sizes of headers, by which their versions are told apart"""
_MOST_SIDE_PX = 65535
_EMBEDDED_PROFILE = b"DEBM"


class Compression(IntEnum):
    """How pixels are stored; `RUNS_24` is OS/2's own."""

    NONE = 0
    RUNS_8 = 1
    RUNS_4 = 2
    BIT_FIELDS = 3
    RUNS_24 = 4
    BIT_FIELDS_WITH_ALPHA = 6


_DEPTHS: dict[int, tuple[int, ...]] = {
    Compression.NONE: (1, 2, 4, 8, 16, 24, 32),
    Compression.RUNS_8: (8,),
    Compression.RUNS_4: (4,),
    Compression.BIT_FIELDS: (16, 32),
    Compression.RUNS_24: (24,),
    Compression.BIT_FIELDS_WITH_ALPHA: (16, 32),
}
"""bits of a pixel"""
_OS2_1_DEPTHS = (1, 4, 8, 24)


@dataclass(frozen=True, slots=True)
class BmpHeader:
    """What a file says of its pixels. `masks` are the bits of red, green, blue and alpha, where a pixel has fields.

    `palette` is the number of its colors, which start at `palette_start`. `profile` is where the file holds one.
    """

    version: int
    size_px: tuple[int, int]
    is_top_down: bool
    bits: int
    compression: Compression
    pixels_start: int
    palette_start: int
    palette: int = 0
    masks: tuple[int, int, int, int] | None = None
    profile: tuple[int, int] | None = None


def read_header(data: bytes) -> BmpHeader:
    """Read what the file says. Raises: ImageRefused for pixels that browsers do not show, ImageUndecodable."""
    version = int.from_bytes(data[FILE_HEADER_BYTES : FILE_HEADER_BYTES + 4], "little")
    header = data[FILE_HEADER_BYTES : FILE_HEADER_BYTES + version]
    if version not in (OS2_1, *_WINDOWS, *_OS2_2):
        raise ImageUndecodable(f"a header of {version} bytes is of no version of BMP")
    if len(header) < version:
        raise ImageUndecodable("ends within its header")
    if version == OS2_1:
        width, height, _, bits = struct.unpack("<4H", header[4:])
        stored, colors = 0, 0
    else:
        width, height, _, bits = struct.unpack("<iiHH", header[4:16])
        stored, colors = (int.from_bytes(header[at : at + 4], "little") for at in (16, 32))
    if not (0 < width <= _MOST_SIDE_PX and 0 < abs(height) <= _MOST_SIDE_PX):
        raise ImageUndecodable(f"a size of {width} x {height} pixels")
    compression = _read_compression(version, bits, stored)
    after_header = FILE_HEADER_BYTES + version
    return BmpHeader(
        version,
        (width, abs(height)),
        height < 0,
        bits,
        compression,
        pixels_start=int.from_bytes(data[10:14], "little"),
        palette_start=after_header,
        palette=min(colors or 1 << bits, 1 << bits) if bits <= 8 else 0,
        masks=_read_masks(data, header, bits, compression),
        profile=_read_profile(header),
    )


def _read_compression(version: int, bits: int, stored: int) -> Compression:
    is_os2 = version not in _WINDOWS
    if stored in (4, 5) and not (stored == Compression.RUNS_24 and is_os2):
        raise ImageRefused("a BMP that wraps a JPEG or a PNG: browsers do not show it")
    if stored == Compression.BIT_FIELDS and bits == 1:
        raise ImageRefused("a BMP in Huffman codes: browsers do not show it")
    if stored not in _DEPTHS or bits not in _DEPTHS[stored] or (version == OS2_1 and bits not in _OS2_1_DEPTHS):
        raise ImageUndecodable(f"{bits} bits a pixel in compression {stored} of a header of {version} bytes")
    return Compression(stored)


def _read_masks(data: bytes, header: bytes, bits: int, compression: Compression) -> tuple[int, int, int, int] | None:
    if compression in (Compression.BIT_FIELDS, Compression.BIT_FIELDS_WITH_ALPHA):
        version = len(header)
        in_header = version in _WINDOWS and version >= _WITH_MASKS
        with_alpha = compression is Compression.BIT_FIELDS_WITH_ALPHA or (in_header and version >= _WITH_ALPHA_MASK)
        start, length = FILE_HEADER_BYTES + (40 if in_header else version), 16 if with_alpha else 12
        stored = data[start : start + length]
        if len(stored) < length:
            raise ImageUndecodable("ends within its masks")
        red, green, blue, alpha = struct.unpack("<4I", stored.ljust(16, b"\0"))
        for mask in (red, green, blue, alpha):
            _check_mask(mask, bits)
        return red, green, blue, alpha
    if bits == 16:
        return 0x7C00, 0x03E0, 0x001F, 0
    if bits == 32:  # without fields, a mask of alpha in a late header says no more than that there is alpha
        with_alpha = len(header) in (_V4, _V5) and any(header[52:56])
        return 0xFF0000, 0x00FF00, 0x0000FF, 0xFF000000 if with_alpha else 0
    return None


def _check_mask(mask: int, bits: int) -> None:
    values = mask // (mask & -mask) if mask else 0
    if values & (values + 1) or mask >> bits:
        raise ImageUndecodable(f"{mask:#x} is no mask of a pixel of {bits} bits")


def _read_profile(header: bytes) -> tuple[int, int] | None:
    if len(header) != _V5 or header[56:60] != _EMBEDDED_PROFILE:
        return None
    start, length = struct.unpack("<II", header[112:120])
    return (FILE_HEADER_BYTES + start, FILE_HEADER_BYTES + start + length) if length else None
