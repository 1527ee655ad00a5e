"""Reads the palette of a BMP file."""

import numpy as np

from pipeline.bmp.header import OS2_1, BmpHeader
from pipeline.errors import ImageUndecodable


def read_palette(data: bytes, header: BmpHeader) -> bytes:
    """Return 256 colors as blue, green and red; those that the file does not have are black. Raises: ImageUndecodable.

    Browsers take as many colors as the header says, even if the pixels start before their end.
    """
    color_bytes = 3 if header.version == OS2_1 else 4
    stored = data[header.palette_start : header.palette_start + color_bytes * header.palette]
    if len(stored) < color_bytes * header.palette:
        raise ImageUndecodable("ends within its palette")
    colors = np.frombuffer(stored, np.uint8).reshape(-1, color_bytes)[:, :3]
    return colors.tobytes().ljust(3 * 256, b"\0")
