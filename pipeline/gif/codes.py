"""Unpacks the codes of GIF frames (LZW) as far as they go."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_BITS = 8
"""of an index; a frame that states more is broken"""
_FEWEST_BITS_OF_PILLOW = 2
_MOST_CODES, _LONGEST_CODE = 4096, 12
_MOST_BYTES = 1 << 20
"""of a frame whose codes are unpacked in Python: some seconds"""


def unpack_codes(blocks: bytes, bits: int, size_px: tuple[int, int]) -> tuple[NDArray[np.uint8], int]:
    """Return the rows of indices in the order of the file, and the number of indices that came.

    The codes may end early, break off at one that has no meaning, or go on after the last index.
    Shapes: rows HW.
    """
    width, height = size_px
    if bits > MOST_BITS or not width * height:
        return np.zeros((height, width), np.uint8), 0
    if bits < _FEWEST_BITS_OF_PILLOW:
        return _fill_rows(_expand_short_codes(blocks, bits), size_px)
    rows = Image.new("L", size_px)
    with suppress(ValueError):
        rows.frombytes(blocks, "gif", bits, False, -1)
        return np.asarray(rows), width * height
    other = Image.new("L", size_px, 255)  # differs from `rows` where no index came
    with suppress(ValueError):
        other.frombytes(blocks, "gif", bits, False, -1)
    return np.asarray(rows), int(np.count_nonzero(np.asarray(rows) == np.asarray(other)))


def _fill_rows(parts: Iterator[bytes], size_px: tuple[int, int]) -> tuple[NDArray[np.uint8], int]:
    rows = np.zeros(size_px[0] * size_px[1], np.uint8)
    came = 0
    for part in parts:
        taken = part[: len(rows) - came]
        rows[came : came + len(taken)] = np.frombuffer(taken, np.uint8)
        came += len(taken)
        if came == len(rows):
            break
    return rows.reshape(size_px[1], size_px[0]), came


def _expand_short_codes(blocks: bytes, bits: int) -> Iterator[bytes]:
    """Yield the indices of each code. Pillow's codec does not lengthen codes that begin with one or two bits."""
    clear, end = 1 << bits, (1 << bits) + 1
    alphabet = [bytes([index]) for index in range(clear)] + [b"", b""]  # clear and end have a place of their own
    meanings, last, length = list(alphabet), b"", bits + 1
    buffer = buffered = 0
    for byte in _join_blocks(blocks)[:_MOST_BYTES]:
        buffer |= byte << buffered
        buffered += 8
        while buffered >= length:
            code = buffer & ((1 << length) - 1)
            buffer >>= length
            buffered -= length
            if code == clear:
                meanings, last, length = list(alphabet), b"", bits + 1
                continue
            if code == end or code > len(meanings) or (code == len(meanings) and not last):
                return
            meaning = meanings[code] if code < len(meanings) else last + last[:1]
            yield meaning
            if last and len(meanings) < _MOST_CODES:
                meanings.append(last + meaning[:1])
            last = meaning
            if len(meanings) >> length and length < _LONGEST_CODE:
                length += 1


def _join_blocks(blocks: bytes) -> bytes:
    parts, at = [], 0
    while at < len(blocks):
        parts.append(blocks[at + 1 : at + 1 + blocks[at]])
        at += 1 + blocks[at]
    return b"".join(parts)
