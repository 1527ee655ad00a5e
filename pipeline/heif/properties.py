"""Reads the properties of the picture that browsers show of an AVIF file: the boxes that say its colors and its cut.

Source: ISO/IEC 14496-12 (boxes) and ISO/IEC 23008-12 (properties of items).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.heif.items import list_boxes, read_primary, split_meta

_TRACK = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"av01")
_BYTES_BEFORE_BOXES = {b"stsd": 8, b"av01": 78}
"""of the content of these boxes"""


@dataclass(frozen=True, slots=True)
class PictureProperties:
    """The contents of the boxes that describe a picture, by their types; of boxes of one type, the first."""

    boxes: Mapping[bytes, bytes] = field(default_factory=dict)
    icc_profile: bytes | None = None
    nclx: bytes | None = None


def read_properties(data: bytes) -> PictureProperties:
    """Return the properties of the primary item; none where the boxes are broken or absent."""
    try:
        boxes = split_meta(data) or {}
        return _collect(_read_item_properties(boxes.get(b"iprp", b""), read_primary(boxes.get(b"pitm", b""))))
    except (struct.error, IndexError):
        return PictureProperties()


def read_track_properties(data: bytes) -> PictureProperties:
    """Return the properties of the first track of an animation."""
    for kind in _TRACK:
        data = next((data[start:end] for name, start, end in list_boxes(data, 0) if name == kind), b"")
        data = data[_BYTES_BEFORE_BOXES.get(kind, 0) :]
    return _collect([(kind, data[start:end]) for kind, start, end in list_boxes(data, 0)])


def adapt_for_libavif(data: bytes) -> bytes:
    """Return the file as AVIF by its major brand, with its EXIF under another type.

    Browsers ask for the brand among all, and do not read EXIF; Pillow asks for the major one, and libavif refuses a
    file with broken EXIF.
    """
    if data[8:12] not in (b"avif", b"avis"):
        data = data[:8] + b"avif" + data[12:]
    for kind, start, end in list_boxes(data, 0):
        if kind == b"meta" and (renamed := data[start:end].replace(b"Exif\0", b"skip\0")) != data[start:end]:
            return data[:start] + renamed + data[end:]
    return data


def _read_item_properties(iprp: bytes, item: int | None) -> list[tuple[bytes, bytes]]:
    parts = {kind: iprp[start:end] for kind, start, end in list_boxes(iprp, 0)}
    properties = parts.get(b"ipco", b"")
    listed = [(kind, properties[start:end]) for kind, start, end in list_boxes(properties, 0)]
    places = _read_associations(parts.get(b"ipma", b"\0" * 8)).get(item or 0, [])
    return [listed[place - 1] for place in places if 0 < place <= len(listed)]


def _read_associations(ipma: bytes) -> dict[int, list[int]]:
    """Return the places of the properties of each item, counted from 1."""
    version, flags, count = ipma[0], ipma[3], int.from_bytes(ipma[4:8])
    associations: dict[int, list[int]] = {}
    place_format, mask = (">H", 0x7FFF) if flags & 1 else (">B", 0x7F)
    at = 8
    for _ in range(count):
        number, places = struct.unpack_from(">IB" if version else ">HB", ipma, at)
        at += 5 if version else 3
        width = places * struct.calcsize(place_format)
        entries = struct.iter_unpack(place_format, ipma[at : at + width])
        associations.setdefault(number, [place & mask for (place,) in entries])
        at += width
    return associations


def _collect(properties: list[tuple[bytes, bytes]]) -> PictureProperties:
    boxes: dict[bytes, bytes] = {}
    colors: dict[bytes, bytes] = {}
    for kind, content in properties:
        if kind == b"colr":
            colors.setdefault(content[:4], content[4:])
        else:
            boxes.setdefault(kind, content)
    return PictureProperties(boxes, colors.get(b"prof", colors.get(b"rICC")), colors.get(b"nclx"))
