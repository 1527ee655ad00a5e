"""Reads the directories of a TIFF file: their tags, within the bounds of the file.

Numbers are read where they stand, so that a count that the file claims allocates nothing.
"""

import enum
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageUndecodable

MAX_ENTRIES = 32_768
"""of the directories that are read of one file"""
SHORT = 3
_BYTES = {1: 1, 2: 1, SHORT: 2, 4: 4, 5: 8, 7: 1, 13: 4, 16: 8, 18: 8}
"""of one value of each type; tags of other types hold nothing that we read"""
_RATIONAL = 5

Numbers = NDArray[np.int64]
Order = Literal["<", ">"]
"""of the bytes of a number: the lowest or the highest comes first"""


class Tag(enum.IntEnum):
    """The tags that are read."""

    NEW_SUBFILE_TYPE = 254
    SUBFILE_TYPE = 255
    WIDTH = 256
    LENGTH = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTE_COUNTS = 279
    PLANAR = 284
    FAX_3_OPTIONS = 292
    FAX_4_OPTIONS = 293
    PREDICTOR = 317
    COLOR_MAP = 320
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    SUB_DIRECTORIES = 330
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    REFERENCE_BLACK_WHITE = 532
    ICC_PROFILE = 34675
    DNG_VERSION = 50706


@dataclass(frozen=True, slots=True)
class Entry:
    """The type, the number and the place of a tag's values."""

    type: int
    count: int
    position: int


_MISSING = Entry(SHORT, 0, 0)


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of one page. `length` counts all of them, also of types that we do not read.

    `next_offset` is 0 at the last page.
    """

    data: bytes
    order: Order
    entries: Mapping[int, Entry]
    length: int
    next_offset: int

    def read_bytes(self, tag: int) -> bytes:
        """Return the values as they stand in the file, empty if the tag is missing."""
        entry = self.entries.get(tag, _MISSING)
        return self.data[entry.position : entry.position + entry.count * _BYTES[entry.type]]

    def read_numbers(self, tag: int) -> Numbers:
        """Return the whole numbers of a tag, none if it is missing or holds others."""
        entry = self.entries.get(tag, _MISSING)
        if not entry.count or entry.type == _RATIONAL:
            return np.empty(0, np.int64)
        number = f"{self.order}u{_BYTES[entry.type]}"
        return np.frombuffer(self.data, number, entry.count, entry.position).astype(np.int64)

    def read_number(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        numbers = self.read_numbers(tag)
        return int(numbers[0]) if numbers.size else default

    def read_fractions(self, tag: int, default: tuple[float, ...]) -> tuple[float, ...]:
        """Return the fractions of a tag, or `default` if there are not as many."""
        entry = self.entries.get(tag, _MISSING)
        if entry.type != _RATIONAL or entry.count != len(default):
            return default
        parts = struct.unpack_from(f"{self.order}{2 * entry.count}I", self.data, entry.position)
        if not all(parts[1::2]):
            return default
        return tuple(above / below for above, below in zip(parts[::2], parts[1::2], strict=True))


class TiffFile:
    """A classic TIFF or a BigTIFF, of either byte order."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order: Order = "<" if data[:2] == b"II" else ">"
        pointer, counter = ("Q", "Q") if b"+" in data[2:4] else ("I", "H")
        self._pointer = struct.Struct(self.order + pointer)
        self._counter = struct.Struct(self.order + counter)
        self._entry = struct.Struct(f"{self.order}HH{pointer}{pointer}")
        if len(data) < 2 * self._pointer.size:
            raise ImageUndecodable("the TIFF ends within its header")
        (self.first_offset,) = self._pointer.unpack_from(data, self._pointer.size)

    def read_directory(self, offset: int) -> Directory | None:
        """Return the directory at this place, None if there is none within the file."""
        start = offset + self._counter.size
        if start > len(self.data):
            return None
        (count,) = self._counter.unpack_from(self.data, offset)
        end = start + count * self._entry.size
        if not 0 < count <= MAX_ENTRIES or end > len(self.data):
            return None
        entries: dict[int, Entry] = {}
        for place in range(start, end, self._entry.size):
            tag, kind, values, position = self._entry.unpack_from(self.data, place)
            length = values * _BYTES.get(kind, 0)
            if length <= self._pointer.size:  # then the values stand in place of their position
                position = place + self._entry.size - self._pointer.size
            if length and position + length <= len(self.data):
                entries.setdefault(tag, Entry(kind, values, position))
        next_offset = len(self.data)  # where no directory is
        if end + self._pointer.size <= len(self.data):
            (next_offset,) = self._pointer.unpack_from(self.data, end)
        return Directory(self.data, self.order, entries, count, next_offset)


def read_chain(file: TiffFile) -> Iterator[Directory | None]:
    """Yield the directories of the pages in their order, and None at the end of a broken or circular chain."""
    offset, seen, left = file.first_offset, set[int](), MAX_ENTRIES
    while offset and left > 0:
        directory = None if offset in seen else file.read_directory(offset)
        yield directory
        if directory is None:
            return
        seen.add(offset)
        left -= directory.length
        offset = directory.next_offset
