"""Builds small TIFF files tag by tag: any samples, cut into strips, tiles or planes, and compressed."""

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image

Samples = np.ndarray[Any, Any]
Order = Literal["<", ">"]
COMPRESSIONS = {5: "tiff_lzw", 8: "tiff_adobe_deflate", 32773: "packbits", 34925: "lzma", 50000: "zstd"}
SHORT, LONG, RATIONAL, LONG8 = 3, 4, 5, 16
_CODES = {1: "B", 2: "B", SHORT: "H", LONG: "I", RATIONAL: "I", 7: "B", 8: "h", LONG8: "Q"}
Typed = tuple[int, Sequence[int] | bytes]
"""a tag's type and values; of RATIONAL pairs of numbers, one behind the other"""


@dataclass(frozen=True)
class TiffPage:
    """Tags of a page with their types, and its strips or tiles; `below` are the pages that SubIFDs leads to."""

    tags: Mapping[int, Typed]
    segments: Sequence[bytes] = ()
    below: Sequence["TiffPage"] = field(default=())


def build_page(
    samples: Samples,
    *,
    bits: int = 8,
    photometric: int | None = None,
    compression: int = 1,
    tile: tuple[int, int] | None = None,
    rows_per_strip: int | None = None,
    planar: bool = False,
    predictor: int = 1,
    order: Order = "<",
    tags: Mapping[int, Typed] | None = None,
) -> TiffPage:
    """Build a page of samples; its colors are gray or RGB unless stated. Shapes: samples: height, width, samples."""
    height, width, count = samples.shape
    planes = [samples[:, :, place : place + 1] for place in range(count)] if planar else [samples]
    size = tile or (width, rows_per_strip or height)
    cut = [piece for plane in planes for piece in _cut(plane, size, fill=tile is not None)]
    segments = [compress(pack_samples(piece, bits, predictor, order), compression) for piece in cut]
    stated: dict[int, Typed] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * count),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric if photometric is not None else 2 if count > 2 else 1]),
        277: (SHORT, [count]),
        284: (SHORT, [2 if planar else 1]),
        317: (SHORT, [predictor]),
    }
    stated |= {322: (SHORT, [size[0]]), 323: (SHORT, [size[1]])} if tile else {278: (SHORT, [size[1]])}
    return TiffPage(stated | dict(tags or {}), segments)


def _cut(plane: Samples, size: tuple[int, int], *, fill: bool) -> Iterator[Samples]:
    for top in range(0, plane.shape[0], size[1]):
        for left in range(0, plane.shape[1], size[0]):
            piece = plane[top : top + size[1], left : left + size[0]]
            missing = ((0, size[1] - piece.shape[0]), (0, size[0] - piece.shape[1]), (0, 0))
            yield np.pad(piece, missing, mode="edge") if fill else piece


def pack_samples(samples: Samples, bits: int, predictor: int = 1, order: Order = "<") -> bytes:
    """Return the samples row by row, each row from a whole byte on."""
    levels = samples.astype(np.int64)
    if predictor == 2:
        levels = np.diff(levels, axis=1, prepend=0) % (1 << bits)
    if bits in (8, 16, 32, 64):
        return levels.astype(f"{order}u{bits // 8}").tobytes()
    rows = levels.reshape(len(levels), -1, 1) >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(rows.reshape(len(levels), -1).astype(np.uint8), axis=1).tobytes()


def compress(content: bytes, compression: int) -> bytes:
    """Compress bytes as a strip; content of other compressions than `COMPRESSIONS` is compressed already."""
    if compression not in COMPRESSIONS:
        return content
    return extract_strip(Image.frombytes("L", (len(content), 1), content), COMPRESSIONS[compression])


def extract_strip(image: Image.Image, compression: str) -> bytes:
    """Return the only strip of an image that Pillow compresses."""
    stream = io.BytesIO()
    image.save(stream, "TIFF", compression=compression, tiffinfo={278: image.height})
    with Image.open(stream) as written:
        ((offset,), (length,)) = written.tag_v2[273], written.tag_v2[279]  # type: ignore[attr-defined] # a TIFF's own
    return stream.getvalue()[offset : offset + length]


def build_tiff(
    *pages: TiffPage, order: Order = "<", big: bool = False, last_pointer: int = 0, head: bytes = b""
) -> bytes:
    """Build a file of these pages, behind the bytes of `head`; the last page says that `last_pointer` is the next."""
    pointer = "Q" if big else "I"
    content = bytearray(b"II" if order == "<" else b"MM")
    content += struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
    place = len(content) - struct.calcsize(order + pointer)
    content += head + bytes(len(head) % 2)
    for page in pages:
        offset, next_place = _append(content, page, order, big)
        struct.pack_into(order + pointer, content, place, offset)
        place = next_place
    struct.pack_into(order + pointer, content, place, last_pointer)
    return bytes(content)


def _append(content: bytearray, page: TiffPage, order: Order, big: bool) -> tuple[int, int]:
    """Append a page with what it needs; return its place and that of its pointer to the next one."""
    pointer = "Q" if big else "I"
    offsets = []
    for segment in page.segments:
        offsets.append(len(content))
        content += segment + bytes(len(segment) % 2)
    tags = dict(page.tags)
    if page.segments:
        is_tiled = 322 in tags
        tags[324 if is_tiled else 273] = (LONG, offsets)
        tags[325 if is_tiled else 279] = (LONG, [len(segment) for segment in page.segments])
    if page.below:
        tags[330] = (LONG, [_append(content, below, order, big)[0] for below in page.below])
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind == RATIONAL else len(values)
        if len(packed) > struct.calcsize(order + pointer):
            offset = len(content)
            content += packed + bytes(len(packed) % 2)
            packed = struct.pack(order + pointer, offset)
        entries += struct.pack(f"{order}HH{pointer}", tag, kind, count)
        entries += packed.ljust(struct.calcsize(order + pointer), b"\0")
    start = len(content)
    content += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + struct.pack(order + pointer, 0)
    return start, len(content) - struct.calcsize(order + pointer)
