"""Unpacks pixels that are stored as runs, of 4, 8 or 24 bits a pixel."""

from PIL import Image

from pipeline.bmp.header import BmpHeader
from pipeline.errors import ImageUndecodable

_END_OF_ROW, _END, _MOVE = 0, 1, 2
"""what a count of 0 stands for; a number above is the count of pixels that follow one by one"""


def unpack_runs(data: bytes, header: BmpHeader, palette: bytes) -> Image.Image:
    """Return the rows that are there, the first ones of the file, in the order of the picture.

    What the runs leave out is black, and what they write beyond the right edge is lost.
    Raises: ImageUndecodable if no row is there.
    """
    pixels = _join_rows(data, header, _list_colors(header.bits, palette))
    row_bytes = 3 * header.size_px[0]
    if not pixels:
        raise ImageUndecodable("holds no whole row of its picture")
    size_px = header.size_px[0], len(pixels) // row_bytes
    return Image.frombytes("RGB", size_px, pixels, "raw", "BGR", row_bytes, 1 if header.is_top_down else -1)


def _list_colors(bits: int, palette: bytes) -> list[bytes]:
    """Return the pixels of each stored byte: two of 4 bits, one of 8; none of 24, which are colors themselves."""
    colors = [palette[3 * number : 3 * number + 3] for number in range(256)]
    if bits == 4:
        return [colors[byte >> 4] + colors[byte & 15] for byte in range(256)]
    return colors if bits == 8 else []


def _join_rows(data: bytes, header: BmpHeader, colors: list[bytes]) -> bytearray:
    """Return the rows that come to their end, in the order of the file, 3 bytes a pixel."""
    row_bytes, whole = 3 * header.size_px[0], 3 * header.size_px[0] * header.size_px[1]
    rows, row, at, last = bytearray(), bytearray(), header.pixels_start, len(data) - 1
    while len(rows) < whole and at < last:
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            color = colors[value] if colors else data[at - 1 : at + 2]
            at += 0 if colors else 2
            if len(row) < row_bytes:
                row += (color * count)[: 3 * count]
        elif value > _MOVE:
            stored = data[at : at + (value * header.bits + 7) // 8]
            at += len(stored) + len(stored) % 2
            if len(row) < row_bytes:
                row += b"".join([colors[byte] for byte in stored] if colors else [stored])[: 3 * value]
        elif value == _MOVE:
            right, down = data[at : at + 2].ljust(2, b"\0")
            row += bytes(3 * right if len(row) < row_bytes else 0)
            if down:
                rows += row[:row_bytes].ljust(row_bytes * down, b"\0")
                row = bytearray(len(row))
            at += 2
        else:
            rows += row[:row_bytes].ljust(row_bytes, b"\0")
            if value == _END:
                return rows.ljust(whole, b"\0")
            row.clear()
    return rows[:whole]
