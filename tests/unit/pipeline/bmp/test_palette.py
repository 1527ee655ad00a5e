import pytest

from pipeline.bmp.header import read_header
from pipeline.bmp.palette import read_palette
from pipeline.errors import ImageUndecodable
from tests.support.image_files.bmp import COLORS, build_file, build_header


def read(data: bytes) -> bytes:
    return read_palette(data, read_header(data))


def test_colors_have_a_fourth_byte_that_means_nothing() -> None:
    data = build_file(build_header(5, 3, bits=8), b"", palette=bytes((1, 2, 3, 99, 4, 5, 6, 99)) + COLORS[8:])
    assert read(data)[:6] == bytes((1, 2, 3, 4, 5, 6))
    assert len(read(data)) == 768


def test_colors_of_the_first_version_have_three_bytes() -> None:
    data = build_file(build_header(5, 3, version=12, bits=1), b"", palette=bytes((1, 2, 3, 4, 5, 6)))
    assert read(data) == bytes((1, 2, 3, 4, 5, 6)).ljust(768, b"\0")


def test_colors_that_are_not_there_are_black() -> None:
    data = build_file(build_header(5, 3, bits=8, colors=2), bytes(100), palette=bytes((9,)) * 8)
    assert read(data) == bytes((9,)) * 6 + bytes(762)


def test_a_palette_reaches_over_the_start_of_the_pixels() -> None:
    data = build_file(build_header(5, 3, bits=1), bytes((7,)) * 12, palette=bytes((9,)) * 4)
    assert read(data)[:6] == bytes((9, 9, 9, 7, 7, 7))


def test_a_palette_that_is_cut_short_is_undecodable() -> None:
    with pytest.raises(ImageUndecodable, match="ends within its palette"):
        read(build_file(build_header(5, 3, bits=8), b"", palette=COLORS[:-1]))
