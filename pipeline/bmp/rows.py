"""Unpacks rows of pixels that are stored one by one: indices of a palette, colors, or fields of bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.bmp.header import BmpHeader
from pipeline.errors import ImageUndecodable

_BAND_PX = 1 << 20
"""pixels that are unpacked at once, so that the memory for their fields is small beside that of the picture"""
_MODES = {1: ("P", "P;1"), 2: ("P", "P;2"), 4: ("P", "P;4"), 8: ("P", "P"), 24: ("RGB", "BGR")}
_PLAIN = {
    (0xFF0000, 0x00FF00, 0x0000FF, 0): ("RGB", "BGRX"),
    (0xFF0000, 0x00FF00, 0x0000FF, 0xFF000000): ("RGBA", "BGRA"),
}
"""modes of Pillow by the bits of a pixel, and by masks: it unpacks these itself"""


def unpack_rows(data: bytes, header: BmpHeader, palette: bytes) -> Image.Image:
    """Return the rows that are there, the first ones of the file, in the order of the picture.

    Raises: ImageUndecodable if none is there.
    """
    width, height = header.size_px
    row_bytes = (width * header.bits + 31) // 32 * 4
    rows = min(height, max(0, len(data) - header.pixels_start) // row_bytes)
    if rows == 0:
        raise ImageUndecodable("holds no whole row of its picture")
    stored = data[header.pixels_start : header.pixels_start + rows * row_bytes]
    order = 1 if header.is_top_down else -1
    if header.masks is not None and header.masks not in _PLAIN:
        pixels = np.frombuffer(stored, f"<u{header.bits // 8}").reshape(rows, -1)[::order, :width]
        return unpack_fields(pixels, header.masks)
    mode, raw_mode = _PLAIN[header.masks] if header.masks else _MODES[header.bits]
    image = Image.frombytes(mode, (width, rows), stored, "raw", raw_mode, row_bytes, order)
    if mode == "P":
        image.putpalette(palette, "BGR")
        return image.convert("RGB")
    return image


def unpack_fields(pixels: NDArray[Any], masks: tuple[int, int, int, int]) -> Image.Image:
    """Unpack the fields of each pixel to 8 bits.

    Shapes: pixels (height, width).
    """
    fields = [_read_field(mask) for mask in (masks if masks[3] else masks[:3])]
    levels = np.empty((*pixels.shape, len(fields)), np.uint8)
    band = max(1, _BAND_PX // pixels.shape[1])
    for top in range(0, len(pixels), band):
        rows = pixels[top : top + band]
        for channel, (shift, scale) in enumerate(fields):
            levels[top : top + band, :, channel] = scale[(rows >> shift) & (len(scale) - 1)]
    return Image.fromarray(levels)


def _read_field(mask: int) -> tuple[int, NDArray[np.uint8]]:
    """Return how far a field is from the right, and the level of each of its values; its upper 8 bits count."""
    shift = max(0, (mask & -mask).bit_length() - 1)
    length = (mask >> shift).bit_length()
    used = min(8, length)
    most = max(1, (1 << used) - 1)
    return shift + length - used, np.round(np.arange(1 << used) * (255 / most)).astype(np.uint8)
