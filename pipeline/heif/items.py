"""Reads brands and items of a HEIF file: which codec its picture needs, and how much memory it claims.

Source: ISO/IEC 14496-12 (boxes) and ISO/IEC 23008-12 (items).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

MOST_BOXES = 4096
"""of one box that are read; libheif refuses files of more than 1000 items"""
DERIVED_TYPES = frozenset({b"grid", b"iovl", b"iden"})
"""of items that are put together from others"""


@dataclass(frozen=True, slots=True)
class HeifItems:
    """The items of a file: each with its type, `primary` with the number of the one that viewers show.

    `sizes_px` are those that the file claims for any item, before cropping and turning. `end` is where the furthest
    content of an item ends in the file.
    """

    types: dict[int, bytes]
    primary: int | None
    sizes_px: tuple[tuple[int, int], ...]
    end: int

    @property
    def coded_type(self) -> bytes | None:
        """Return the type of the primary item; of one that is put together, the type of its parts."""
        own = self.types.get(self.primary) if self.primary is not None else None
        if own not in DERIVED_TYPES:
            return own
        parts = [kind for kind in self.types.values() if kind in (b"hvc1", b"av01")]
        return parts[0] if parts else own


def read_brands(data: bytes) -> tuple[bytes, ...]:
    """Return the brands of an ISO base media file, the major one first; none for any other file."""
    if data[4:8] != b"ftyp":
        return ()
    kind_end = min(max(int.from_bytes(data[:4]), 16), 16 + 4 * MOST_BOXES)
    compatible = data[16:kind_end]
    return (data[8:12], *(compatible[at : at + 4] for at in range(0, len(compatible) - 3, 4)))


def read_items(data: bytes) -> HeifItems | None:
    """Return the items of a file, None if it has none or they are broken."""
    try:
        boxes = split_meta(data)
        return None if boxes is None else _read_items(boxes)
    except (struct.error, IndexError):
        return None


def split_meta(data: bytes) -> dict[bytes, bytes] | None:
    """Return the contents of the boxes that describe the items of a file, by their types; None if it has none."""
    meta = next((data[start:end] for kind, start, end in list_boxes(data, 0) if kind == b"meta"), None)
    return None if meta is None else {kind: meta[start:end] for kind, start, end in list_boxes(meta, 4)}


def _read_items(boxes: dict[bytes, bytes]) -> HeifItems:
    return HeifItems(
        types=_read_types(boxes.get(b"iinf", b"")),
        primary=read_primary(boxes.get(b"pitm", b"")),
        sizes_px=_read_sizes(boxes.get(b"iprp", b"")),
        end=_find_end(boxes.get(b"iloc", b"")),
    )


def list_boxes(data: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the content of each box from `start` on, cut at the end of `data`."""
    return islice(_walk_boxes(data, start), MOST_BOXES)


def _walk_boxes(data: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= len(data):
        size, header = int.from_bytes(data[start : start + 4]), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16]), 16
        end = len(data) if size == 0 else start + size
        if size and size < header:
            return
        yield data[start + 4 : start + 8], start + header, min(end, len(data))
        start = end


def _read_types(iinf: bytes) -> dict[int, bytes]:
    types = {}
    for kind, start, _ in list_boxes(iinf, 6 if iinf[:1] == b"\0" else 8):
        version = iinf[start]
        if kind == b"infe" and version in (2, 3):
            number, _, name = struct.unpack_from(">HH4s" if version == 2 else ">IH4s", iinf, start + 4)
            types[number] = name
    return types


def read_primary(pitm: bytes) -> int | None:
    """Return the number of the item that viewers show, None without the box that states it."""
    if not pitm:
        return None
    (number,) = struct.unpack_from(">H" if pitm[0] == 0 else ">I", pitm, 4)
    return int(number)


def _read_sizes(iprp: bytes) -> tuple[tuple[int, int], ...]:
    sizes = []
    for container, start, end in list_boxes(iprp, 0):
        properties = iprp[start:end] if container == b"ipco" else b""
        for kind, at, _ in list_boxes(properties, 0):
            if kind == b"ispe":
                width, height = struct.unpack_from(">II", properties, at + 4)
                sizes.append((width, height))
    return tuple(sizes)


def _find_end(iloc: bytes) -> int:
    """Return where the furthest extent ends, of those that lie in the file itself."""
    if not iloc:
        return 0
    cursor = _Cursor(iloc)
    version = cursor.read(4) >> 24
    packed = cursor.read(2)
    offset_bytes, length_bytes, base_bytes = packed >> 12, packed >> 8 & 15, packed >> 4 & 15
    index_bytes = packed & 15 if version else 0
    end = 0
    for _ in range(cursor.read(4 if version == 2 else 2)):
        cursor.read(4 if version == 2 else 2)  # the item's number
        method = cursor.read(2) & 15 if version else 0
        cursor.read(2)  # the file that holds it: this one
        base = cursor.read(base_bytes)
        extents = cursor.read(2)
        for _ in range(extents if offset_bytes + length_bytes else 0):
            cursor.read(index_bytes)
            extent_end = base + cursor.read(offset_bytes) + cursor.read(length_bytes)
            end = max(end, extent_end) if method == 0 else end
    return end


class _Cursor:
    """Reads numbers one after the other. Raises: IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, length: int) -> int:
        content = self._data[self._at : self._at + length]
        if len(content) != length:
            raise IndexError("the box ends within a number")
        self._at += length
        return int.from_bytes(content)
