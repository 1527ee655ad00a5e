"""Splits a PNG file into its chunks, without copying them."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
_CRC = struct.Struct(">I")
_ANCILLARY = 0x20


class Chunk(NamedTuple):
    """`is_cut`: the file ends within it, and `content` is what came. `end` is the place of the byte behind it."""

    kind: bytes
    content: memoryview
    end: int
    is_cut: bool
    is_crc_right: bool

    @property
    def is_critical(self) -> bool:
        return not self.kind[0] & _ANCILLARY


def walk_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks from the signature up to IEND or to the end of the file."""
    view, start, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND" and start + _HEAD.size <= len(data):
        length, kind = _HEAD.unpack_from(data, start)
        first, last = start + _HEAD.size, start + _HEAD.size + length
        start = last + _CRC.size
        is_cut = start > len(data)
        is_crc_right = not is_cut and zlib.crc32(view[first - 4 : last]) == _CRC.unpack_from(data, last)[0]
        yield Chunk(kind, view[first:last], start, is_cut, is_crc_right)
