import numpy as np
import pytest

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.tiff.pages import Page, find_page
from pipeline.tiff.tags import TiffFile
from tests.support.image_files.tiff import LONG, SHORT, TiffPage, Typed, build_page, build_tiff


def build(width: int, tags: dict[int, Typed] | None = None, below: tuple[TiffPage, ...] = ()) -> TiffPage:
    """Build a page that is known by its width."""
    page = build_page(np.zeros((1, width, 1)), tags=tags)
    return TiffPage(page.tags, page.segments, below)


def find(*pages: TiffPage, last_pointer: int = 0) -> tuple[int, Page]:
    page = find_page(TiffFile(build_tiff(*pages, last_pointer=last_pointer)))
    return page.directory.read_number(256, 0), page


REDUCED: dict[int, Typed] = {254: (LONG, [1])}
OLD_REDUCED: dict[int, Typed] = {255: (SHORT, [2])}
MASK: dict[int, Typed] = {254: (LONG, [4])}


@pytest.mark.parametrize("tags", [REDUCED, OLD_REDUCED, MASK, {254: (LONG, [5])}, {254: (LONG, [8])}])
def test_reduced_copies_and_masks_are_passed_over_and_not_counted(tags: dict[int, Typed]) -> None:
    width, page = find(build(3, tags), build(4), build(5, tags), build(6, {254: (LONG, [2])}))
    assert (width, page.pages, page.broken) == (4, 2, False)


@pytest.mark.parametrize("tags", [{254: (LONG, [0])}, {255: (SHORT, [1])}, {255: (SHORT, [3])}, {254: (LONG, [2])}])
def test_whole_pages_are_counted(tags: dict[int, Typed]) -> None:
    width, page = find(build(3, tags), build(4, tags))
    assert (width, page.pages) == (3, 2)


def test_the_newer_tag_counts_where_both_are_there() -> None:
    assert find(build(3, {**OLD_REDUCED, 254: (LONG, [0])}), build(4))[0] == 3


def test_a_file_of_nothing_but_reduced_copies_is_its_first() -> None:
    width, page = find(build(2, MASK), build(3, REDUCED), build(4, REDUCED))
    assert (width, page.pages) == (3, 1)


def test_a_directory_without_a_size_is_no_page() -> None:
    width, page = find(TiffPage({271: (2, b"Camera\0")}), build(4))
    assert (width, page.pages) == (4, 1)


@pytest.mark.parametrize("last_pointer", [8, 2**31, 20])
def test_a_broken_chain_leaves_its_pages(last_pointer: int) -> None:
    width, page = find(build(3), build(4), last_pointer=last_pointer)
    assert (width, page.broken) == (3, True)


@pytest.mark.parametrize("pages", [(), (TiffPage({271: (2, b"Camera\0")}),)])
def test_a_file_without_a_page_is_undecodable(pages: tuple[TiffPage, ...]) -> None:
    with pytest.raises(ImageUndecodable, match="no page"):
        find(*pages)


def test_masks_alone_are_refused() -> None:
    with pytest.raises(ImageRefused, match="masks"):
        find(build(3, MASK))


# Raw files


@pytest.mark.parametrize("meaning", [32803, 34892])
@pytest.mark.parametrize("tags", [{}, REDUCED])
def test_a_sensor_below_the_first_page(meaning: int, tags: dict[int, Typed]) -> None:
    with pytest.raises(ImageRefused, match="raw file of a camera"):
        find(build(3, tags, (build(8), build(9, {262: (SHORT, [meaning])}))))


def test_a_preview_over_its_picture() -> None:
    with pytest.raises(ImageRefused, match="below its first page"):
        find(build(3, REDUCED, (build(9),)))


def test_smaller_copies_below_a_picture_are_no_raw_file() -> None:
    assert find(build(3, {}, (build(2, REDUCED),)))[0] == 3


def test_dng() -> None:
    with pytest.raises(ImageRefused, match="DNG"):
        find(build(3, {50706: (1, [1, 4, 0, 0])}))


def move_first_page(data: bytes, signature: bytes) -> bytes:
    """Put eight bytes behind the header of a file that holds numbers in its entries alone."""
    return data[:4] + (16).to_bytes(4, "little") + signature + data[8:]


def test_cr2() -> None:
    bare = build_tiff(TiffPage({256: (LONG, [3]), 257: (LONG, [1])}))
    with pytest.raises(ImageRefused, match="CR2"):
        find_page(TiffFile(move_first_page(bare, b"CR\2\0\0\0\0\0")))
    assert find_page(TiffFile(move_first_page(bare, b"CS\2\0\0\0\0\0"))).pages == 1


def test_iiq() -> None:
    bare = build_tiff(TiffPage({254: (LONG, [1]), 256: (LONG, [3]), 257: (LONG, [1])}))
    with pytest.raises(ImageRefused, match="IIQ"):
        find_page(TiffFile(move_first_page(bare, b"IIIIwaR\0")))


def test_pages_below_that_lead_to_themselves_or_nowhere_end() -> None:
    page = build(3, {330: (LONG, [8, 2**31, *range(1000)])})
    assert find(page)[0] == 3
