"""Builds HEIC files with pillow-heif's encoder, and the boxes of such files by hand."""

import struct

import pillow_heif
from PIL import Image

from tests.support.builders import encode_image

P3_NCLX = {
    "color_primaries": 12,
    "transfer_characteristics": 13,
    "matrix_coefficients": 6,
    "full_range_flag": 1,
}


def encode_heic(image: Image.Image, **options: object) -> bytes:
    """Encode the image as HEIC of nearly the same pixels; `options` are those of pillow-heif."""
    pillow_heif.register_heif_opener()
    try:
        return encode_image(image, "HEIF", **{"quality": -1, "chroma": 444, **options})
    finally:
        Image.OPEN.pop("HEIF", None)  # files are read by our own reader alone
        Image.ID.remove("HEIF")


def build_box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def build_brands(*brands: bytes) -> bytes:
    """Build the first box of an ISO base media file: the major brand, then the compatible ones."""
    return build_box(b"ftyp", brands[0], bytes(4), *brands[1:])


def build_item_types(*types: bytes) -> bytes:
    """Build the list of items, which are numbered from 1."""
    entries = [
        build_box(b"infe", struct.pack(">IHH4sx", 2 << 24, number, 0, kind)) for number, kind in enumerate(types, 1)
    ]
    return build_box(b"iinf", struct.pack(">IH", 0, len(types)), *entries)


def build_meta(*boxes: bytes) -> bytes:
    return build_box(b"meta", bytes(4), *boxes)


PRIMARY_IS_FIRST = build_box(b"pitm", struct.pack(">IH", 0, 1))


def build_heif(*types: bytes, brands: tuple[bytes, ...] = (b"mif1",)) -> bytes:
    """Build a HEIF file without pixels, of items of these types, whose first is the primary one."""
    return build_brands(*brands) + build_meta(PRIMARY_IS_FIRST, build_item_types(*types))
