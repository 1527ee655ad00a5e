"""Orientation by EXIF."""

import struct
from collections.abc import Iterator

from PIL import Image

_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT, _LONG = 3, 4
_EXIF_DIRECTORY_TAG = 0x8769

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_exif_orientation(exif: bytes) -> int:
    """Return the orientation that a block of EXIF states, with or without its opening `Exif`; 1 if it states none.

    Browsers obey a single number from 1 to 8, of type SHORT, and the first of several; they look into the directory
    of EXIF's own tags too.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    entries = list(_read_entries(tiff, start, order))
    for number, (tag, kind, count, value) in enumerate(entries):
        if (tag, kind, count) == (_EXIF_DIRECTORY_TAG, _LONG, 1):
            (start,) = struct.unpack(f"{order}I", value)
            entries[number : number + 1] = _read_entries(tiff, start, order)
            break
    for tag, kind, count, value in entries:
        (orientation,) = struct.unpack_from(f"{order}H", value)
        if (tag, kind, count) == (ORIENTATION_TAG, _SHORT, 1) and (orientation == 1 or orientation in UPRIGHT):
            return int(orientation)
    return 1


def _read_entries(tiff: bytes, start: int, order: str) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield tag, type, count and value of each entry of the directory at `start`, as far as the block reaches."""
    count = int.from_bytes(tiff[start : start + 2], "little" if order == "<" else "big")
    directory = tiff[start + 2 : start + 2 + 12 * count]
    yield from struct.iter_unpack(f"{order}HHI4s", directory[: len(directory) // 12 * 12])


def turn_upright(pixels: Image.Image, orientation: int) -> Image.Image:
    """Return the pixels as EXIF's orientation turns and mirrors them; they stay as they are for 1 and unknown ones."""
    method = UPRIGHT.get(orientation)
    return pixels if method is None else pixels.transpose(method)
