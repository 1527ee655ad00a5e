"""Builds AVIF files: pixels by Pillow's encoder, the boxes around them by hand."""

import struct
from collections.abc import Iterator

from PIL import Image

from tests.support.builders import encode_image
from tests.support.image_files.heic import PRIMARY_IS_FIRST, build_box, build_brands, build_item_types, build_meta

_PROPERTIES = (b"ispe", b"pixi", b"av1C")
_BOXES_THAT_HOLD_BOXES = {b"meta": 4, b"iprp": 0, b"ipco": 0}


def encode_avif(image: Image.Image, **options: object) -> bytes:
    """Encode the image as AVIF of nearly the same pixels; `options` are those of Pillow."""
    return encode_image(image, "AVIF", **{"quality": 100, "subsampling": "4:4:4", **options})


def build_avif(image: Image.Image, *properties: bytes, exif: bytes | None = None) -> bytes:
    """Build a file of one still picture with these boxes as properties of it, besides its size and codec."""
    boxes = dict(_walk(encode_avif(image)))
    described = [build_box(kind, boxes[kind]) for kind in _PROPERTIES] + list(properties)
    contents = [boxes[b"mdat"]] + ([bytes(4) + exif] if exif else [])
    iprp = build_box(b"iprp", build_box(b"ipco", *described), _associate(len(described)))
    head, meta = build_brands(b"avif", b"mif1", b"miaf"), b""
    for _ in range(2):  # the place of the pixels depends on the length of the box that says it
        start = len(head) + len(meta) + 8
        iloc = _locate(contents, start)
        types = build_item_types(b"av01", *[b"Exif"] * (len(contents) - 1))
        refers = build_box(b"iref", bytes(4), build_box(b"cdsc", struct.pack(">HHH", 2, 1, 1))) if exif else b""
        handler = build_box(b"hdlr", bytes(8) + b"pict" + bytes(13))
        meta = build_meta(handler, PRIMARY_IS_FIRST, iloc, types, refers, iprp)
    return head + meta + build_box(b"mdat", *contents)


def build_nclx(primaries: int, transfer: int, matrix: int = 6, *, is_full: bool = True) -> bytes:
    return build_box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, is_full << 7))


def build_rotation(quarters: int) -> bytes:
    """Build the box that turns a picture by so many quarters, against the clock."""
    return build_box(b"irot", bytes([quarters]))


def build_mirror(axis: int) -> bytes:
    """Build the box that mirrors a picture: its upper part down for 0, its left part to the right for 1."""
    return build_box(b"imir", bytes([axis]))


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + size]
        yield kind, content
        if kind in _BOXES_THAT_HOLD_BOXES:
            yield from _walk(content[_BOXES_THAT_HOLD_BOXES[kind] :])
        at += size


def _associate(count: int) -> bytes:
    essential = 0x80
    return build_box(b"ipma", struct.pack(">IIHB", 0, 1, 1, count), bytes(essential | n for n in range(1, count + 1)))


def _locate(contents: list[bytes], start: int) -> bytes:
    entries = b""
    for number, content in enumerate(contents, 1):
        entries += struct.pack(">HHHII", number, 0, 1, start, len(content))
        start += len(content)
    return build_box(b"iloc", bytes(4), struct.pack(">HH", 0x4400, len(contents)), entries)
