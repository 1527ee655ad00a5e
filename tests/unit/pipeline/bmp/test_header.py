import pytest

from pipeline.bmp.header import Compression, read_header
from pipeline.errors import ImageRefused, ImageUndecodable
from tests.support.image_files.bmp import (
    ALPHA_BIT_FIELDS,
    BIT_FIELDS,
    COLORS,
    NONE,
    RUNS_4,
    RUNS_8,
    RUNS_24,
    build_file,
    build_header,
)

RED, GREEN, BLUE, ALPHA = 0xFF0000, 0x00FF00, 0x0000FF, 0xFF000000
PIXELS = bytes(400)


@pytest.mark.parametrize("version", [12, 16, 20, 36, 40, 42, 44, 46, 48, 52, 56, 60, 64, 108, 124])
def test_each_version_says_its_size(version: int) -> None:
    header = read_header(build_file(build_header(5, 3, version=version), PIXELS))
    assert (header.size_px, header.is_top_down, header.bits) == ((5, 3), False, 24)
    assert (header.compression, header.pixels_start) == (Compression.NONE, 14 + version)


@pytest.mark.parametrize("version", [0, 13, 18, 41, 53, 65, 80, 112, 128])
def test_a_header_of_no_version_is_undecodable(version: int) -> None:
    data = bytearray(build_file(build_header(5, 3), PIXELS))
    data[14] = version
    with pytest.raises(ImageUndecodable, match=f"a header of {version} bytes"):
        read_header(bytes(data))


@pytest.mark.parametrize("end", [14, 18, 30, 53])
def test_a_header_that_is_cut_short_is_undecodable(end: int) -> None:
    with pytest.raises(ImageUndecodable):
        read_header(build_file(build_header(5, 3), PIXELS)[:end])


def test_a_negative_height_is_top_down() -> None:
    header = read_header(build_file(build_header(5, -3), PIXELS))
    assert (header.size_px, header.is_top_down) == ((5, 3), True)


@pytest.mark.parametrize("size", [(0, 3), (5, 0), (-5, 3), (65536, 1), (1, -65536), (1, -(2**31))])
def test_a_size_that_browsers_do_not_show_is_undecodable(size: tuple[int, int]) -> None:
    with pytest.raises(ImageUndecodable, match=f"a size of {size[0]} x {size[1]} pixels"):
        read_header(build_file(build_header(*size), PIXELS))


@pytest.mark.parametrize(
    ("version", "bits", "compression"),
    [
        (40, 0, NONE),
        (40, 5, NONE),
        (40, 64, NONE),
        (12, 2, NONE),
        (12, 16, NONE),
        (12, 32, NONE),
        (40, 4, RUNS_8),
        (40, 24, RUNS_8),
        (40, 8, RUNS_4),
        (40, 24, BIT_FIELDS),
        (40, 24, ALPHA_BIT_FIELDS),
        (64, 8, RUNS_24),
        (40, 24, 11),
    ],
)
def test_bits_that_a_compression_does_not_have_are_undecodable(version: int, bits: int, compression: int) -> None:
    data = build_file(build_header(5, 3, version=version, bits=bits, compression=compression), PIXELS)
    with pytest.raises(ImageUndecodable):
        read_header(data)


@pytest.mark.parametrize(("bits", "compression"), [(0, 4), (24, 4), (0, 5), (32, 5)])
def test_a_file_that_wraps_another_format_is_refused(bits: int, compression: int) -> None:
    with pytest.raises(ImageRefused, match="wraps a JPEG or a PNG"):
        read_header(build_file(build_header(5, 3, bits=bits, compression=compression), PIXELS))


def test_huffman_codes_are_refused() -> None:
    with pytest.raises(ImageRefused, match="Huffman"):
        read_header(build_file(build_header(5, 3, version=64, bits=1, compression=3), PIXELS))


def test_runs_of_colors_are_of_os2_alone() -> None:
    header = build_header(5, 3, version=64, bits=24, compression=RUNS_24)
    assert read_header(build_file(header, PIXELS)).compression is Compression.RUNS_24


@pytest.mark.parametrize(
    ("bits", "colors", "expected"), [(8, 0, 256), (8, 16, 16), (4, 1000, 16), (1, 2**32 - 1, 2), (24, 256, 0)]
)
def test_a_palette_has_no_more_colors_than_its_bits(bits: int, colors: int, expected: int) -> None:
    data = build_file(build_header(5, 3, bits=bits, colors=colors), PIXELS, palette=COLORS)
    assert read_header(data).palette == expected


@pytest.mark.parametrize(
    ("version", "compression", "masks", "expected"),
    [
        (40, BIT_FIELDS, (BLUE, GREEN, RED), (BLUE, GREEN, RED, 0)),
        (40, ALPHA_BIT_FIELDS, (RED, GREEN, BLUE, ALPHA), (RED, GREEN, BLUE, ALPHA)),
        (64, BIT_FIELDS, (BLUE, GREEN, RED), (BLUE, GREEN, RED, 0)),
        (52, BIT_FIELDS, (RED, GREEN, BLUE), (RED, GREEN, BLUE, 0)),
        (56, BIT_FIELDS, (RED, GREEN, BLUE, ALPHA), (RED, GREEN, BLUE, ALPHA)),
        (124, BIT_FIELDS, (BLUE, GREEN, RED, ALPHA), (BLUE, GREEN, RED, ALPHA)),
        (40, NONE, (), (RED, GREEN, BLUE, 0)),
        (56, NONE, (RED, GREEN, BLUE, ALPHA), (RED, GREEN, BLUE, 0)),
        (108, NONE, (0, 0, 0, 0), (RED, GREEN, BLUE, 0)),
        (108, NONE, (BLUE, GREEN, RED, 0x0F000000), (RED, GREEN, BLUE, ALPHA)),
        (124, NONE, (RED, GREEN, BLUE, ALPHA), (RED, GREEN, BLUE, ALPHA)),
    ],
)
def test_masks_of_32_bits(
    version: int, compression: int, masks: tuple[int, ...], expected: tuple[int, int, int, int]
) -> None:
    header = build_header(5, 3, version=version, bits=32, compression=compression, masks=masks)
    assert read_header(build_file(header, PIXELS)).masks == expected


@pytest.mark.parametrize("version", [12, 40, 124])
def test_bits_without_fields_have_no_masks(version: int) -> None:
    assert read_header(build_file(build_header(5, 3, version=version), PIXELS)).masks is None


def test_16_bits_are_five_a_color() -> None:
    header = build_header(5, 3, version=124, bits=16, masks=(0, 0, 0, 0x8000))
    assert read_header(build_file(header, PIXELS)).masks == (0x7C00, 0x03E0, 0x001F, 0)


@pytest.mark.parametrize(("bits", "mask"), [(32, 0xF50000), (16, 0xFF0000)])
def test_a_mask_with_gaps_or_beyond_the_pixel_is_undecodable(bits: int, mask: int) -> None:
    header = build_header(5, 3, bits=bits, compression=BIT_FIELDS, masks=(mask, GREEN, BLUE))
    with pytest.raises(ImageUndecodable, match=f"{mask:#x} is no mask"):
        read_header(build_file(header, PIXELS))


def test_a_file_that_ends_within_its_masks_is_undecodable() -> None:
    header = build_header(5, 3, bits=32, compression=BIT_FIELDS, masks=(RED, GREEN))
    with pytest.raises(ImageUndecodable, match="ends within its masks"):
        read_header(build_file(header, b""))


def test_only_the_last_version_holds_a_profile() -> None:
    last = build_header(5, 3, version=124, profile=(200, 50))
    assert read_header(build_file(last, PIXELS)).profile == (214, 264)
    assert read_header(build_file(build_header(5, 3, version=124, profile=(200, 0)), PIXELS)).profile is None
    assert read_header(build_file(build_header(5, 3, version=108)[:56] + b"DEBM" + bytes(48), PIXELS)).profile is None
