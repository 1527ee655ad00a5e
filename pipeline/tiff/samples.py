"""Brings the samples of a page to 8 bits: undoes packed bits and differences, and looks levels up in tables."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.tiff.layout import Layout
from pipeline.tiff.unpacking import Bytes

Table = Bytes | None
"""the 8-bit level for each level of the file; None: the levels stay"""
Levels = NDArray[np.uint8] | NDArray[np.uint16]
_BAND_SAMPLES = 1 << 20
"""of the rows that are converted at a time, which bounds the memory of the steps in between"""


def convert_samples(planes: Sequence[Bytes], layout: Layout, tables: Sequence[Table]) -> Bytes:
    """Return the samples by the table of their place in the pixel. Shapes: height, width, samples."""
    width, height = layout.size
    is_plain = layout.bits == 8 and layout.block == (1, 1) and not layout.has_differences
    if is_plain and len(planes) == 1 and all(table is None for table in tables):
        return planes[0].reshape(height, -1, layout.samples)[:, :width]
    converted = np.empty((height, width, layout.samples), np.uint8)
    samples_a_row = layout.segments_across * layout.segment[0] * layout.samples * layout.block[1]
    band_px = layout.block[1] * max(1, _BAND_SAMPLES // samples_a_row)
    for top in range(0, height, band_px):
        bottom = min(top + band_px, height)
        rows = slice(top // layout.block[1], layout.count_rows(bottom))
        for plane, packed in enumerate(planes):
            levels = _read_levels(packed[rows], layout)[: bottom - top, :width]
            for place in range(layout.samples_per_plane):
                table, sample = tables[plane + place], levels[:, :, place]
                converted[top:bottom, :, plane + place] = sample if table is None else table[sample]
    return converted


def _read_levels(packed: Bytes, layout: Layout) -> Levels:
    """Return the levels of some rows, with those that fill the last tile. Shapes: rows, width, samples of a plane."""
    if layout.block != (1, 1):
        return _spread_blocks(packed, layout.block)
    across, width, samples = layout.segments_across, layout.segment[0], layout.samples_per_plane
    segments = packed.reshape(len(packed), across, layout.segment_row_bytes)
    levels: Levels = segments
    if layout.bits == 16:
        levels = segments.view(f"{layout.order}u2").astype(np.uint16)
    elif layout.bits != 8:
        levels = _unpack_bits(segments, layout.bits, width * samples)
    if layout.has_differences:
        differences = levels.reshape(len(packed), across, width, samples)
        levels = np.add.accumulate(differences, axis=2, dtype=levels.dtype)
    return levels.reshape(len(packed), across * width, samples)


def _unpack_bits(segments: Bytes, bits: int, count: int) -> NDArray[np.uint16]:
    """Return `count` numbers of 1 to 15 bits, which stand one behind the other from the highest bit on.

    Eight numbers fill `bits` bytes, so the numbers of one place among eight begin at the same bit of a byte.
    """
    eights = -(-count // 8)
    padded = np.pad(segments, ((0, 0), (0, 0), (0, eights * bits + 2 - segments.shape[2])))
    numbers = np.empty((*segments.shape[:2], eights, 8), np.uint16)
    for place in range(8):
        first, skipped = divmod(place * bits, 8)
        window = np.zeros(numbers.shape[:3], np.uint32)
        for byte in range(first, first + 3):  # 15 bits may begin at the last bit of a byte and end in the third
            window = window << 8 | padded[:, :, byte::bits][:, :, :eights]
        numbers[..., place] = window >> (24 - bits - skipped) & ((1 << bits) - 1)
    return numbers.reshape(*segments.shape[:2], -1)[:, :, :count]


def _spread_blocks(packed: Bytes, block: tuple[int, int]) -> Bytes:
    """Return Y, Cb and Cr of each pixel; a block stores its Y row by row, then one Cb and one Cr."""
    across, down = block
    blocks = packed.reshape(len(packed), -1, across * down + 2)
    shape = (len(packed), down, blocks.shape[1], across)
    luma = blocks[:, :, :-2].reshape(len(packed), -1, down, across).transpose(0, 2, 1, 3)
    samples = (luma, *(np.broadcast_to(blocks[:, None, :, None, place], shape) for place in (-2, -1)))
    return np.stack([sample.reshape(len(packed) * down, -1) for sample in samples], axis=2)
