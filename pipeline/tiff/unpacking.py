"""Unpacks the strips or tiles of a page, with libtiff where they are compressed.

libtiff (through Pillow) gets a page of our own, appended to the file, with the tags that we checked and no others: one
plane of bytes, whatever they mean, or one of JPEG or fax. So it knows nothing of other pages, colors and metadata.
"""

import io
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.pixel_limit import limit_pixels
from pipeline.tiff.compressions import FAX, JPEG, NONE, OLD_JPEG
from pipeline.tiff.layout import BLACK_IS_ZERO, CMYK, RGB, YCBCR, Layout
from pipeline.tiff.tags import SHORT, Directory, Numbers, Tag

Bytes = NDArray[np.uint8]
Values = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_COPIED = {
    **dict.fromkeys(FAX, (Tag.FILL_ORDER, Tag.FAX_3_OPTIONS, Tag.FAX_4_OPTIONS)),
    JPEG: (Tag.JPEG_TABLES, Tag.YCBCR_SUBSAMPLING),
    OLD_JPEG: (*range(512, 522), Tag.YCBCR_SUBSAMPLING),  # its marker segments, one by one
}
"""tags that a compression needs beside the layout"""
_TYPES = {1: 7, 2: 3, 4: 4}
"""the type of a tag by the bytes of a value"""
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def unpack_planes(page: Directory, layout: Layout) -> list[Bytes]:
    """Return the bytes of each plane. Shapes: rows of blocks, bytes of the segments side by side."""
    if layout.compression == NONE:
        return [_join_segments(page, layout, plane) for plane in range(layout.planes)]
    return [_decompress(page, layout, plane) for plane in range(layout.planes)]


def _join_segments(page: Directory, layout: Layout, plane: int) -> Bytes:
    rows_in_all, rows_each = layout.count_rows(layout.size[1]), layout.count_rows(layout.segment[1])
    width = layout.segment_row_bytes
    joined = np.empty((rows_in_all, layout.segments_across * width), np.uint8)
    for index, offset in enumerate(_cut_plane(layout, layout.offsets, plane).tolist()):
        down, across = divmod(index, layout.segments_across)
        rows = min(rows_each, rows_in_all - down * rows_each)
        if not 0 <= offset <= len(page.data) - rows * width:
            raise ImageUndecodable("the TIFF ends before its strips or tiles")
        segment = np.frombuffer(page.data, np.uint8, rows * width, offset).reshape(rows, width)
        joined[down * rows_each :, across * width :][:rows, :width] = segment
    return _REVERSED[joined] if page.read_number(Tag.FILL_ORDER, 1) == 2 else joined


def _cut_plane(layout: Layout, numbers: Numbers, plane: int) -> Numbers:
    """Return those of the numbers of strips or tiles that belong to one plane."""
    segments = layout.segments_across * layout.segments_down
    return numbers[plane * segments : (plane + 1) * segments]


def _decompress(page: Directory, layout: Layout, plane: int) -> Bytes:
    tags = _describe_plane(page, layout, plane)
    image = _load(_append_page(page.data, tags), layout)
    if image.mode == "1":
        return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, -1)
    return np.asarray(image).reshape(image.height, -1)


def _describe_plane(page: Directory, layout: Layout, plane: int) -> dict[int, Values]:
    """Return the tags of a page that holds one plane, of bytes unless its compression knows samples."""
    width, height, samples = layout.segment_row_bytes, layout.count_rows(layout.segment[1]), 1
    if layout.compression in (*FAX, JPEG, OLD_JPEG):
        width, height, samples = *layout.segment, layout.samples_per_plane
    numbers = {
        Tag.WIDTH: layout.segments_across * width,
        Tag.LENGTH: layout.count_rows(layout.size[1]),
        Tag.COMPRESSION: layout.compression,
        Tag.PHOTOMETRIC: _find_meaning(layout),
        Tag.SAMPLES: samples,
        **({Tag.TILE_WIDTH: width, Tag.TILE_LENGTH: height} if layout.is_tiled else {Tag.ROWS_PER_STRIP: height}),
    }
    tags: dict[int, Values] = {tag: np.array([number], "u4") for tag, number in numbers.items()}
    tags[Tag.BITS] = np.full(samples, 1 if layout.compression in FAX else 8, "u2")
    if samples == 2:
        tags[Tag.EXTRA_SAMPLES] = np.array([2], "u2")  # Pillow takes two samples only as gray with transparency
    if layout.offsets.size:
        offsets, lengths = _find_segments(page, layout, plane)
        tags[Tag.TILE_OFFSETS if layout.is_tiled else Tag.STRIP_OFFSETS] = offsets.astype("u4")
        tags[Tag.TILE_BYTE_COUNTS if layout.is_tiled else Tag.STRIP_BYTE_COUNTS] = lengths.astype("u4")
    for tag in _COPIED.get(layout.compression, (Tag.FILL_ORDER,)):
        if tag == Tag.JPEG_TABLES and tag in page.entries:
            tags[tag] = np.frombuffer(page.read_bytes(tag), np.uint8)
        elif tag in page.entries:
            tags[tag] = page.read_numbers(tag).astype("u2" if page.entries[tag].type == SHORT else "u4")
    return tags


def _find_segments(page: Directory, layout: Layout, plane: int) -> tuple[Numbers, Numbers]:
    """Return where the strips or tiles of a plane begin and how long they are; none reaches beyond the file."""
    offsets = _cut_plane(layout, layout.offsets, plane)
    room = len(page.data) - offsets
    lengths = _cut_plane(layout, layout.byte_counts, plane) if layout.byte_counts.size else room
    if len(lengths) < len(offsets) or (offsets < 0).any() or (lengths < 0).any() or (lengths > room).any():
        raise ImageUndecodable("the TIFF ends before its strips or tiles")
    return offsets, lengths


def _find_meaning(layout: Layout) -> int:
    """Return the colors that libtiff is told: those of the file only where it converts them, from YCbCr of JPEG."""
    if layout.compression not in (JPEG, OLD_JPEG):
        return BLACK_IS_ZERO
    by_samples = {3: YCBCR} if layout.is_ycbcr_jpeg else {1: BLACK_IS_ZERO, 2: BLACK_IS_ZERO, 3: RGB, 4: CMYK}
    if layout.samples_per_plane not in by_samples:
        raise ImageRefused(f"a TIFF of JPEG with {layout.samples} samples a pixel")
    return by_samples[layout.samples_per_plane]


def _append_page(data: bytes, tags: Mapping[int, Values]) -> bytes:
    """Return the file with a page behind it, and with the header of a classic TIFF that leads to this page."""
    start = len(data) + len(data) % 2
    end = start + 2 + 12 * len(tags) + 4
    parts, behind = [struct.pack("<H", len(tags))], b""
    for tag, numbers in sorted(tags.items()):
        values = numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
        if len(values) > 4:
            place, behind = struct.pack("<I", end + len(behind)), behind + values + bytes(len(values) % 2)
        else:
            place = values.ljust(4, b"\0")
        parts.append(struct.pack("<HHI", tag, _TYPES[numbers.dtype.itemsize], numbers.size) + place)
    header = struct.pack("<2sHI", b"II", 42, start)
    return b"".join((header, memoryview(data)[8:], bytes(start - len(data)), *parts, bytes(4), behind))


def _load(data: bytes, layout: Layout) -> Image.Image:
    """Load a plane whose bytes Pillow takes for pixels; `read_layout` compared the true ones with the limit."""
    samples = layout.segments_across * layout.segment_row_bytes * layout.count_rows(layout.size[1])
    with (
        limit_pixels(max(samples, Image.MAX_IMAGE_PIXELS or 0)),
        TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image,
    ):
        image.load()
        return image
