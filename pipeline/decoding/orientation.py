"""Orientation by EXIF."""

import struct

from PIL import Image

_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_SHORT = 3

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

    Browsers obey a single number from 1 to 8, of type SHORT, and the first of several.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (entries,) = struct.unpack_from(f"{order}H", tiff, start) if start + 2 <= len(tiff) else (0,)
    directory = tiff[start + 2 : start + 2 + 12 * entries]
    whole = len(directory) // 12 * 12
    for tag, kind, count, value in struct.iter_unpack(f"{order}HHIH2x", directory[:whole]):
        if (tag, kind, count) == (ORIENTATION_TAG, _SHORT, 1) and (value == 1 or value in UPRIGHT):
            return int(value)
    return 1


def read_orientation(image: Image.Image) -> int:
    """Return EXIF's orientation of an opened file, 1 if it has none that is valid."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # noqa: BLE001 - Pillow raises any error on broken EXIF; viewers show the image unturned
        return 1
    return orientation if isinstance(orientation, int) and orientation in UPRIGHT else 1


def turn_upright(pixels: Image.Image, orientation: int) -> Image.Image:
    method = UPRIGHT.get(orientation)
    return pixels if method is None else pixels.transpose(method)
