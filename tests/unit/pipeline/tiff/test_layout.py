from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable
from pipeline.pixel_limit import limit_pixels
from pipeline.tiff.layout import MAX_SEGMENTS, Layout, read_layout
from pipeline.tiff.tags import TiffFile
from tests.support.image_files.tiff import LONG, SHORT, TiffPage, Typed, build_page, build_tiff

GRAY = np.zeros((8, 6, 1))
COLORS = np.zeros((8, 6, 3))


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    with limit_pixels(1_000_000):
        yield


def read(page: TiffPage) -> Layout:
    file = TiffFile(build_tiff(page))
    directory = file.read_directory(file.first_offset)
    assert directory is not None
    return read_layout(directory)


def without(page: TiffPage, *tags: int) -> TiffPage:
    return TiffPage({tag: typed for tag, typed in page.tags.items() if tag not in tags}, page.segments)


# What is missing


def test_most_tags_may_be_missing() -> None:
    layout = read(without(build_page(GRAY > 0, bits=1), 258, 259, 262, 277, 278, 284, 317))
    assert (layout.bits, layout.compression, layout.samples, layout.planes) == (1, 1, 1, 1)
    assert (layout.segment, layout.block) == ((6, 8), (1, 1))


@pytest.mark.parametrize(
    ("page", "photometric"),
    [
        (build_page(GRAY), 1),
        (build_page(COLORS), 2),
        (build_page(np.zeros((8, 6, 4))), 2),
        (build_page(GRAY, bits=1, compression=4), 0),
    ],
)
def test_colors_that_are_not_stated_are_those_of_the_number_of_samples(page: TiffPage, photometric: int) -> None:
    assert read(without(page, 262)).photometric == photometric


def test_the_number_of_samples_is_that_of_their_bits() -> None:
    assert read(without(build_page(COLORS), 277)).samples == 3


def test_extra_samples_that_no_tag_names_are_unspecified() -> None:
    assert read(build_page(np.zeros((8, 6, 5)), tags={338: (SHORT, [2])})).extra == (2, 0)
    assert read(build_page(np.zeros((8, 6, 4)))).extra == (0,)


def test_ycbcr_is_subsampled_twice_unless_stated() -> None:
    assert read(build_page(COLORS, photometric=6)).block == (2, 2)
    assert read(build_page(COLORS, photometric=6, tags={530: (SHORT, [4, 1])})).block == (4, 1)
    assert read(build_page(COLORS, photometric=2)).block == (1, 1)


# What is refused, by name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (34712, "JPEG 2000"),
        (33005, "JPEG 2000"),
        (50002, "JPEG XL"),
        (52546, "JPEG XL"),
        (50001, "WebP"),
        (34887, "LERC"),
        (34933, "PNG"),
        (34713, "Nikon"),
        (0, "unknown"),
        (12345, "unknown"),
    ],
)
def test_compressions_that_are_not_judged(number: int, name: str) -> None:
    with pytest.raises(ImageRefused, match=f"{name}.*{number}"):
        read(build_page(GRAY, tags={259: (SHORT, [number])}))


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({339: (SHORT, [3])}, "floating point"),
        ({339: (SHORT, [1, 1, 3])}, "floating point"),
        ({339: (SHORT, [2])}, "signed"),
        ({339: (SHORT, [6])}, "complex"),
        ({258: (SHORT, [32] * 3)}, "32 bits"),
        ({258: (SHORT, [24] * 3)}, "24 bits"),
        ({258: (SHORT, [64] * 3)}, "64 bits"),
        ({258: (SHORT, [0] * 3)}, "0 bits"),
        ({258: (SHORT, [5, 6, 5])}, "different numbers of bits"),
        ({258: (SHORT, [12] * 3), 259: (SHORT, [7])}, "12 bits"),
        ({262: (SHORT, [32803])}, "sensor"),
        ({262: (SHORT, [34892])}, "linear raw"),
        ({262: (SHORT, [10])}, "ITU Lab"),
        ({262: (SHORT, [4])}, "mask"),
        ({262: (SHORT, [32845])}, "LogLuv"),
        ({262: (SHORT, [77])}, "unknown"),
        ({262: (SHORT, [5])}, "3 inks"),
        ({262: (SHORT, [5]), 332: (SHORT, [2])}, "inks other than CMYK"),
        ({277: (SHORT, [200])}, "200 samples"),
        ({277: (LONG, [2**32 - 1])}, "samples"),
        ({277: (SHORT, [0])}, "0 samples"),
        ({259: (SHORT, [5]), 317: (SHORT, [3])}, "predictor"),
        ({259: (SHORT, [5]), 317: (SHORT, [2]), 258: (SHORT, [12] * 3)}, "predictor"),
        ({262: (SHORT, [6]), 284: (SHORT, [2])}, "subsampled YCbCr"),
    ],
)
def test_what_is_not_judged_is_named(tags: dict[int, Typed], name: str) -> None:
    with pytest.raises(ImageRefused, match=name):
        read(build_page(COLORS, tags=tags))


@pytest.mark.parametrize("compression", [1, 32773])
def test_a_predictor_counts_only_where_the_compression_has_one(compression: int) -> None:
    page = build_page(GRAY, bits=12, tags={317: (SHORT, [2]), 259: (SHORT, [compression])})
    assert not read(page).has_differences


# What is broken, or too large


@pytest.mark.parametrize(
    "tags",
    [
        {256: (LONG, [0])},
        {257: (LONG, [0])},
        {278: (LONG, [0])},
        {278: (LONG, [1])},
        {322: (LONG, [16]), 323: (LONG, [0])},
        {322: (LONG, [16]), 323: (LONG, [1])},
        {284: (SHORT, [2])},
        {277: (SHORT, [2])},
        {262: (SHORT, [6]), 530: (SHORT, [3, 1])},
        {259: (SHORT, [4]), 258: (SHORT, [1])},
    ],
)
def test_broken_layouts(tags: dict[int, Typed]) -> None:
    with pytest.raises(ImageUndecodable):
        read(build_page(COLORS, tags=tags))


@pytest.mark.parametrize(
    "tags",
    [
        {256: (LONG, [1001]), 257: (LONG, [1000])},
        {256: (LONG, [2**32 - 1]), 257: (LONG, [2**32 - 1])},
        {322: (LONG, [2**31]), 323: (LONG, [2**31])},
        {322: (LONG, [16_384]), 323: (LONG, [16_384])},
        {256: (LONG, [1]), 257: (LONG, [900_000]), 322: (LONG, [1024]), 323: (LONG, [16])},
        {256: (LONG, [1]), 257: (LONG, [MAX_SEGMENTS + 1]), 278: (LONG, [1])},
    ],
)
def test_sizes_are_compared_with_the_limit_before_anything_is_read(tags: dict[int, Typed]) -> None:
    with pytest.raises(ImageTooLarge, match="the limit of"):
        read(build_page(COLORS, tags=tags))


def test_the_limit_itself_and_tiles_beside_it_are_read() -> None:
    assert read(build_page(np.zeros((1000, 1000, 1), np.uint8), tile=(256, 256))).size == (1000, 1000)


@pytest.mark.parametrize("rows", [2**32 - 1, 8, 100])
def test_a_strip_is_no_longer_than_the_page(rows: int) -> None:
    assert read(build_page(GRAY, tags={278: (LONG, [rows])})).segment == (6, 8)
