import itertools

import numpy as np
import pytest

from pipeline.tiff import samples as tiff_samples
from pipeline.tiff.layout import Layout, read_layout
from pipeline.tiff.samples import convert_samples
from pipeline.tiff.tags import TiffFile
from pipeline.tiff.unpacking import Bytes, unpack_planes
from tests.support.image_files.tiff import SHORT, Samples, TiffPage, build_page, build_tiff

ALL_BITS = range(1, 17)


def build_samples(bits: int, count: int = 1) -> Samples:
    return np.random.default_rng(bits).integers(0, 1 << bits, (21, 37, count))


def read(page: TiffPage, order: str = "<") -> tuple[list[Bytes], Layout]:
    file = TiffFile(build_tiff(page, order=order))  # type: ignore[arg-type] # a letter of a text
    directory = file.read_directory(file.first_offset)
    assert directory is not None
    layout = read_layout(directory)
    return unpack_planes(directory, layout), layout


def build_table(bits: int) -> Bytes:
    """Build a table that mixes the levels, so that no wrong one looks right."""
    return (np.arange(1 << bits) * 37 % 251).astype(np.uint8)


@pytest.mark.parametrize("bits", ALL_BITS)
def test_samples_of_any_bits_are_looked_up(bits: int) -> None:
    for count, tile, planar, order in itertools.product((1, 3), (None, (16, 16)), (False, True), "<>"):
        samples = build_samples(bits, count)
        page = build_page(samples, bits=bits, tile=tile, planar=planar, order=order)  # type: ignore[arg-type] # a letter
        planes, layout = read(page, order)
        table = build_table(bits)
        assert (convert_samples(planes, layout, [table] * count) == table[samples]).all()


def test_levels_without_a_table_stay() -> None:
    samples = build_samples(8, 2)
    planes, layout = read(build_page(samples))
    table = build_table(8)
    converted = convert_samples(planes, layout, [table, None])
    assert (converted[:, :, 0] == table[samples[:, :, 0]]).all()
    assert (converted[:, :, 1] == samples[:, :, 1]).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_differences_are_added_up_within_each_strip_or_tile(bits: int) -> None:
    for count, tile, planar, order in itertools.product((1, 3), (None, (16, 16)), (False, True), "<>"):
        samples = build_samples(bits, count)
        page = build_page(
            samples,
            bits=bits,
            tile=tile,
            planar=planar,
            compression=5,
            predictor=2,
            order=order,  # type: ignore[arg-type] # a letter
        )
        planes, layout = read(page, order)
        table = build_table(bits)
        assert (convert_samples(planes, layout, [table] * count) == table[samples]).all()


@pytest.mark.parametrize("band_samples", [1, 40, 200])
def test_bands_of_rows_do_not_show(band_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = build_samples(12)
    planes, layout = read(build_page(samples, bits=12))
    monkeypatch.setattr(tiff_samples, "_BAND_SAMPLES", band_samples)
    table = build_table(12)
    assert (convert_samples(planes, layout, [table]) == table[samples]).all()


def store_blocks(samples: Samples, block: tuple[int, int]) -> bytes:
    """Store YCbCr as TIFF does, with the first Cb and Cr of each block; pixels beyond the edge repeat it."""
    across, down = block
    stored = bytearray()
    height, width, _ = samples.shape
    for top, left in itertools.product(range(0, height, down), range(0, width, across)):
        for row, column in itertools.product(range(top, top + down), range(left, left + across)):
            stored.append(samples[min(row, height - 1), min(column, width - 1), 0])
        stored += bytes(samples[top, left, 1:].tolist())
    return bytes(stored)


@pytest.mark.parametrize("block", list(itertools.product((1, 2, 4), (1, 2, 4))))
@pytest.mark.parametrize("rows_per_strip", [21, 8])
def test_cb_and_cr_spread_over_their_block(
    block: tuple[int, int], rows_per_strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = build_samples(8, 3)
    strips = [store_blocks(samples[top : top + rows_per_strip], block) for top in range(0, 21, rows_per_strip)]
    tags = build_page(samples, photometric=6, rows_per_strip=rows_per_strip, tags={530: (SHORT, block)}).tags
    planes, layout = read(TiffPage(tags, strips))
    rows, columns = (np.arange(end) // step * step for end, step in zip((21, 37), block[::-1], strict=True))
    expected = np.dstack([samples[:, :, 0], samples[rows][:, columns][:, :, 1:]])
    for band_samples in (1 << 20, 200):
        monkeypatch.setattr(tiff_samples, "_BAND_SAMPLES", band_samples)
        assert (convert_samples(planes, layout, [None] * 3) == expected).all()
