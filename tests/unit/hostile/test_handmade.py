"""Small ones are sound files: what makes the large ones hostile is their size alone."""

import zlib

import pytest

from pipeline.decoding.decode import decode
from pipeline.errors import ImageUndecodable
from tests.hostile.handmade import MEBI, _packed_zeros, jpeg_of_scans, tiff_of_a_tile, tiff_of_directories


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (jpeg_of_scans(64, 10), ("jpeg", (64, 64), 1)),
        (jpeg_of_scans(2000, 1), ("jpeg", (2000, 2000), 1)),
        (tiff_of_directories(3), ("tiff", (1, 1), 3)),
        (tiff_of_a_tile(1024), ("tiff", (8, 8), 1)),
    ],
)
def test_small_ones_decode(data: bytes, shape: object) -> None:
    image = decode(data, max_pixels=4_000_000)
    assert (image.format, image.size_px, image.frames) == shape


def test_cut_they_do_not() -> None:
    with pytest.raises(ImageUndecodable):
        decode(tiff_of_a_tile(1024)[:-900], max_pixels=4_000_000)


def test_packed_zeros_are_zeros() -> None:
    assert zlib.decompress(_packed_zeros(3 * MEBI)) == bytes(3 * MEBI)
