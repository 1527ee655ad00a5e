import struct

import numpy as np
import pytest

from pipeline.errors import ImageUndecodable
from pipeline.tiff.tags import MAX_ENTRIES, TiffFile, read_chain
from tests.support.image_files.tiff import LONG, LONG8, RATIONAL, SHORT, Order, TiffPage, Typed, build_tiff

FORMS = [("<", False), (">", False), ("<", True), (">", True)]


def read_page(tags: dict[int, Typed], order: Order = "<", big: bool = False):  # type: ignore[no-untyped-def]
    file = TiffFile(build_tiff(TiffPage(tags), order=order, big=big))
    page = file.read_directory(file.first_offset)
    assert page is not None
    return page


@pytest.mark.parametrize(("order", "big"), FORMS)
def test_numbers_in_the_entry_and_outside_of_it(order: Order, big: bool) -> None:
    page = read_page(
        {256: (SHORT, [7]), 273: (LONG, range(9)), 279: (LONG8, [2**33]), 330: (1, [3, 4]), 700: (7, b"some bytes")},
        order,
        big,
    )
    assert page.read_numbers(256).tolist() == [7]
    assert page.read_numbers(273).tolist() == list(range(9))
    assert page.read_number(279, 0) == 2**33
    assert page.read_numbers(330).tolist() == [3, 4]
    assert page.read_bytes(700) == b"some bytes"


@pytest.mark.parametrize(("order", "big"), FORMS)
def test_fractions(order: Order, big: bool) -> None:
    page = read_page({529: (RATIONAL, [1, 2, 3, 4, 5, 1]), 532: (RATIONAL, [1, 0])}, order, big)
    assert page.read_fractions(529, (0.0, 0.0, 0.0)) == (0.5, 0.75, 5.0)
    assert page.read_fractions(529, (9.0,)) == (9.0,)  # not as many
    assert page.read_fractions(532, (9.0,)) == (9.0,)  # no number
    assert page.read_numbers(529).size == 0


def test_a_missing_tag_and_one_of_another_type_have_no_values() -> None:
    page = read_page({256: (8, [-1])})
    assert (page.read_number(256, 5), page.read_number(257, 6), page.read_bytes(258)) == (5, 6, b"")
    assert page.read_fractions(259, (1.5,)) == (1.5,)


def test_the_first_of_two_equal_tags_counts() -> None:
    entries = struct.pack("<HHII", 256, LONG, 1, 11) + struct.pack("<HHII", 256, LONG, 1, 12)
    file = TiffFile(b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4))
    page = file.read_directory(8)
    assert page is not None
    assert page.read_numbers(256).tolist() == [11]


def test_a_tag_beyond_the_file_is_missing() -> None:
    entries = struct.pack("<HHII", 273, LONG, 2**30, 8) + struct.pack("<HHII", 279, LONG, 2, 2**32 - 1)
    page = TiffFile(b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4)).read_directory(8)
    assert page is not None
    assert not page.entries


@pytest.mark.parametrize("offset", [7, 2**31, 9, 8])
def test_no_directory_where_none_can_be(offset: int) -> None:
    assert TiffFile(b"II*\0\x08\0\0\0\0\0\xff\xff").read_directory(offset) is None


@pytest.mark.parametrize("data", [b"II*\0", b"MM\0*\0\0\0", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0"])
def test_a_cut_header(data: bytes) -> None:
    with pytest.raises(ImageUndecodable, match="header"):
        TiffFile(data)


@pytest.mark.parametrize(("order", "big"), FORMS)
def test_the_chain_ends_where_it_says(order: Order, big: bool) -> None:
    pages = [TiffPage({256: (LONG, [number])}) for number in range(3)]
    chain = list(read_chain(TiffFile(build_tiff(*pages, order=order, big=big))))
    assert [page and page.read_number(256, 9) for page in chain] == [0, 1, 2]


@pytest.mark.parametrize("last_pointer", [2**31, 8])
def test_a_broken_or_circular_chain_ends_with_none(last_pointer: int) -> None:
    data = build_tiff(TiffPage({256: (LONG, [1])}), TiffPage({256: (LONG, [2])}), last_pointer=last_pointer)
    assert [page is None for page in read_chain(TiffFile(data))] == [False, False, True]


def test_a_pointer_that_is_cut_off_breaks_the_chain() -> None:
    data = build_tiff(TiffPage({256: (LONG, [1])}))
    assert [page is None for page in read_chain(TiffFile(data[:-1]))] == [False, True]


def test_a_chain_of_a_million_pages_is_read_to_the_bound() -> None:
    page = np.zeros(1_000_000, np.dtype([("count", "<u2"), ("entry", "V12"), ("next", "<u4")]))
    page["count"] = 1
    page["next"] = 8 + 18 * np.arange(1, len(page) + 1)
    assert sum(1 for _ in read_chain(TiffFile(b"II*\0\x08\0\0\0" + page.tobytes()))) == MAX_ENTRIES
