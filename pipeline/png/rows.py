"""Finds the rows of a broken picture that browsers show, and packs them so that a strict codec takes them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from pipeline.png.file import Picture

_MAX_FILTER = 4
_SLICE = 1024
"""of packed bytes, in a step"""
_PIECE = 8192
"""of unpacked bytes, in a step: they are lost where a step meets broken data"""
_LOST_TAIL = 32768
"""Browsers hold back this many bytes of rows until the stream goes on, and drop them where it breaks off."""
_SINGLE = ((0, 0, 1, 1, 1, 1),)
_ADAM7 = (
    (0, 0, 8, 8, 8, 8),
    (4, 0, 8, 8, 4, 8),
    (0, 4, 4, 8, 4, 4),
    (2, 0, 4, 4, 2, 4),
    (0, 2, 2, 4, 2, 2),
    (1, 0, 2, 2, 1, 2),
    (0, 1, 1, 2, 1, 1),
)


@dataclass(frozen=True, slots=True)
class Pass:
    """The pixels of a pass, which lie `step` apart from (`left`, `top`) on; browsers fill a `block` with each.

    `width` and `rows` count its pixels; `row_bytes` is with the byte of the filter.
    """

    left: int
    top: int
    step: tuple[int, int]
    block: tuple[int, int]
    width: int
    rows: int
    row_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class RepairedRows:
    """A sound stream of all rows, zero where nothing came, and how many rows of each pass came."""

    packed: bytes
    came: list[int]


def list_passes(width: int, height: int, bits: int, *, is_interlaced: bool) -> list[Pass]:
    """List the passes of a picture that hold pixels; `bits` are those of a pixel."""
    passes = []
    for left, top, step_x, step_y, block_x, block_y in _ADAM7 if is_interlaced else _SINGLE:
        columns, rows = -(-(width - left) // step_x), -(-(height - top) // step_y)
        if columns > 0 and rows > 0:
            row_bytes = 1 + (columns * bits + 7) // 8
            passes.append(Pass(left, top, (step_x, step_y), (block_x, block_y), columns, rows, row_bytes))
    return passes


def repair_rows(picture: Picture, passes: list[Pass]) -> RepairedRows:
    """Unpack the rows that came, and pack them anew; nothing is unpacked beyond the rows of the passes."""
    expected = sum(pass_.rows * pass_.row_bytes for pass_ in passes)
    unpacker, packer = _Unpacker(picture.parts), zlib.compressobj(1)
    packed, good, size = [], 0, 0
    for piece in unpacker.unpack(expected):
        sound = _count_sound_bytes(piece, size, passes) if good == size else 0
        packed.append(packer.compress(piece[:sound]))
        good, size = good + sound, size + len(piece)
    breaks_off = size < expected and not unpacker.is_complete and not picture.ends_with_file
    visible_bytes = min(good, max(0, size - _LOST_TAIL) if breaks_off else size)
    packed.extend(packer.compress(bytes(min(_PIECE, expected - at))) for at in range(good, expected, _PIECE))
    packed.append(packer.flush())
    return RepairedRows(b"".join(packed), _count_rows(visible_bytes, passes))


class _Unpacker:
    """Inflates without asking for a right checksum at the end; `is_complete`: the end of the stream was reached."""

    def __init__(self, parts: list[memoryview]) -> None:
        self._parts = parts
        self.is_complete = False

    def unpack(self, limit: int) -> Iterator[bytes]:
        """Yield at most `limit` bytes, up to the end of the stream or to its first broken place."""
        if not _is_zlib_head(b"".join(part[:2] for part in self._parts)[:2]):
            return
        inflater, skipped = zlib.decompressobj(-zlib.MAX_WBITS), 0
        for part in self._parts:
            for at in range(0, len(part), _SLICE):
                rest = bytes(part[at : at + _SLICE])
                rest, skipped = rest[2 - skipped :], min(2, skipped + len(rest))
                while limit > 0:
                    most = min(_PIECE, limit)
                    try:
                        piece = inflater.decompress(rest, most)
                    except zlib.error:
                        return
                    yield piece
                    rest, limit = inflater.unconsumed_tail, limit - len(piece)
                    if len(piece) < most:  # it holds nothing back
                        break
                self.is_complete = inflater.eof
                if limit <= 0 or inflater.eof:
                    return


def _is_zlib_head(head: bytes) -> bool:
    if len(head) < 2 or int.from_bytes(head) % 31:
        return False
    has_dictionary = bool(head[1] & 0x20)
    return head[0] & 0x0F == zlib.DEFLATED and head[0] >> 4 <= 7 and not has_dictionary


def _count_sound_bytes(piece: bytes, start: int, passes: list[Pass]) -> int:
    """Return the bytes before the first row with an unknown filter; `start` is the place of the piece in all rows."""
    levels = np.frombuffer(piece, np.uint8)
    begins = accumulate((pass_.rows * pass_.row_bytes for pass_ in passes), initial=0)
    for begin, pass_ in zip(begins, passes, strict=False):
        end = begin + pass_.rows * pass_.row_bytes
        first = begin - start if start <= begin else -(start - begin) % pass_.row_bytes
        bad = np.flatnonzero(levels[first : max(0, end - start) : pass_.row_bytes] > _MAX_FILTER)
        if bad.size:
            return int(first + bad[0] * pass_.row_bytes)
    return len(piece)


def _count_rows(size: int, passes: list[Pass]) -> list[int]:
    """Return how many rows of each pass the first `size` bytes hold."""
    came = []
    for pass_ in passes:
        came.append(min(pass_.rows, size // pass_.row_bytes))
        size = max(0, size - pass_.rows * pass_.row_bytes)
    return came
