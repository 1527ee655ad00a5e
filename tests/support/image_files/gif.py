"""Builds GIF files block by block, also such as no encoder writes."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Palette = Sequence[tuple[int, int, int]]
COLORS: Palette = [(200, 40, 40), (40, 180, 60), (50, 70, 200), (230, 210, 30)]
"""four colors that no arithmetic on indices turns into each other"""


@dataclass(frozen=True)
class GifFrame:
    """`indices` are rows of indices into a palette. `codes` takes the place of the packed rows."""

    indices: NDArray[np.uint8]
    at: tuple[int, int] = (0, 0)
    palette: Palette | None = None
    transparent: int | None = None
    disposal: int = 0
    interlaced: bool = False
    bits: int = 2
    codes: bytes | None = None


def fill(width: int, height: int, index: int) -> NDArray[np.uint8]:
    return np.full((height, width), index, np.uint8)


def tile(width: int, height: int, colors: int = 4) -> NDArray[np.uint8]:
    """Return rows in which each neighbour has another index, in a different order in each row."""
    rows, columns = np.mgrid[0:height, 0:width]
    indices: NDArray[np.uint8] = ((rows * 3 + columns * (1 + rows % 2)) % colors).astype(np.uint8)
    return indices


def build_gif(
    size: tuple[int, int],
    frames: Iterable[GifFrame | bytes],
    *,
    palette: Palette | None = COLORS,
    background: int = 0,
    version: bytes = b"GIF89a",
    trailer: bytes = b";",
) -> bytes:
    """Build a file; what is bytes in `frames` stands between the frames as it is."""
    flags, table = _pack_palette(palette)
    head = version + struct.pack("<HHBBB", *size, flags, background, 0) + table
    return head + b"".join(frame if isinstance(frame, bytes) else pack_frame(frame) for frame in frames) + trailer


def pack_frame(frame: GifFrame) -> bytes:
    control = b""
    if frame.transparent is not None or frame.disposal:
        flags = frame.disposal << 2 | (frame.transparent is not None)
        control = b"!\xf9\x04" + struct.pack("<BHBB", flags, 10, frame.transparent or 0, 0)
    height, width = frame.indices.shape
    flags, table = _pack_palette(frame.palette)
    flags |= 0x40 * frame.interlaced
    codes = pack_codes(_order_rows(frame), frame.bits) if frame.codes is None else frame.codes
    place = struct.pack("<HHHHB", *frame.at, width, height, flags)
    return control + b"," + place + table + bytes([frame.bits]) + split_into_blocks(codes)


def pack_extension(label: int, content: bytes) -> bytes:
    return b"!" + bytes([label]) + split_into_blocks(content)


def split_into_blocks(content: bytes, length: int = 255) -> bytes:
    parts = (content[at : at + length] for at in range(0, len(content), length))
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def pack_codes(indices: Iterable[int], bits: int) -> bytes:
    """Pack indices as an encoder does that never clears its table again when it is full."""
    clear = 1 << bits
    table = {bytes([index]): index for index in range(clear)}
    packed, found = [(clear, bits + 1)], b""
    for index in indices:
        longer = found + bytes([int(index)])
        if longer in table:
            found = longer
            continue
        packed.append((table[found], _measure_code(len(packed), bits)))
        if len(table) + 2 < 4096:
            table[longer] = len(table) + 2
        found = bytes([int(index)])
    if found:
        packed.append((table[found], _measure_code(len(packed), bits)))
    return pack_bits([*packed, (clear + 1, _measure_code(len(packed), bits))])


def _measure_code(sent: int, bits: int) -> int:
    """Return the length of the next code, of which the reader's table has one entry less than codes came."""
    return min(12, max(bits + 1, ((1 << bits) + sent).bit_length()))


def pack_bits(codes: Iterable[tuple[int, int]]) -> bytes:
    """Pack codes of these lengths, the lowest bit first."""
    text = "".join(f"{code:0{length}b}"[::-1] for code, length in codes)
    return bytes(int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8))


def _order_rows(frame: GifFrame) -> list[int]:
    rows = frame.indices
    if frame.interlaced:
        rows = np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])
    return [int(index) for index in rows.ravel()]


def _pack_palette(palette: Palette | None) -> tuple[int, bytes]:
    """Return the flags of a palette and its colors, filled up with black to a power of two."""
    if palette is None:
        return 0, b""
    power = max(1, (len(palette) - 1).bit_length())
    return 0x80 | (power - 1), b"".join(bytes(color) for color in palette).ljust(3 << power, b"\0")
