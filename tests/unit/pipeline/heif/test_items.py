import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heif.items import read_brands, read_items
from tests.support.builders import build_noise
from tests.support.image_files.heic import (
    PRIMARY_IS_FIRST,
    build_box,
    build_brands,
    build_heif,
    build_item_types,
    build_meta,
    encode_heic,
)

LOCATION = struct.Struct(">BBBB")


def build_locations(*extents: tuple[int, int], lengths: int = 0x44, base_and_index: int = 0, method: int = 0) -> bytes:
    """Build the box that says where items lie: one extent each, of offset and length."""
    entries = [
        struct.pack(">HHHH", number, method, 0, 1) + (struct.pack(">II", *extent) if lengths else b"")
        for number, extent in enumerate(extents, 1)
    ]
    head = LOCATION.pack(1, 0, 0, 0) + bytes([lengths, base_and_index]) + struct.pack(">H", len(extents))
    return build_box(b"iloc", head, *entries)


def test_brands_are_the_major_one_and_the_compatible_ones() -> None:
    assert read_brands(build_brands(b"heic", b"mif1", b"miaf") + b"rest") == (b"heic", b"mif1", b"miaf")
    assert read_brands(b"\0\0\0\x08ftypheic") == (b"heic",)
    assert read_brands(b"no such file") == ()


def test_an_encoded_file_says_what_it_holds() -> None:
    data = encode_heic(build_noise(200, 100), tile_size=64)
    items = read_items(data)
    assert items is not None
    assert (items.types[items.primary or 0], items.coded_type) == (b"grid", b"hvc1")
    assert set(items.sizes_px) == {(200, 100), (64, 64)}
    assert items.end == len(data)


@pytest.mark.parametrize(
    ("types", "coded_type"),
    [
        ((b"hvc1", b"av01"), b"hvc1"),
        ((b"av01", b"hvc1"), b"av01"),
        ((b"grid", b"av01"), b"av01"),
        ((b"iden", b"hvc1"), b"hvc1"),
        ((b"jpeg", b"hvc1"), b"jpeg"),
        ((b"grid", b"j2k1"), b"grid"),
    ],
)
def test_the_codec_is_that_of_the_primary_item_or_of_its_parts(types: tuple[bytes, ...], coded_type: bytes) -> None:
    items = read_items(build_heif(*types))
    assert items is not None
    assert items.coded_type == coded_type


def test_without_a_primary_item_there_is_no_codec() -> None:
    items = read_items(build_brands(b"mif1") + build_meta(build_item_types(b"hvc1")))
    assert items is not None
    assert items.coded_type is None


def test_the_end_is_that_of_the_furthest_extent_in_the_file() -> None:
    locations = build_locations((100, 50), (20, 500), (90, 10))
    items = read_items(build_brands(b"mif1") + build_meta(PRIMARY_IS_FIRST, locations))
    assert items is not None
    assert items.end == 520
    elsewhere = read_items(build_brands(b"mif1") + build_meta(build_locations((20, 500), method=1)))
    assert elsewhere is not None
    assert elsewhere.end == 0


def test_a_large_box_of_64_bits_is_read() -> None:
    meta = build_meta(PRIMARY_IS_FIRST, build_item_types(b"hvc1"))
    large = struct.pack(">I4sQ", 1, b"meta", len(meta) + 8) + meta[8:]
    items = read_items(build_brands(b"heic") + large)
    assert items is not None
    assert items.coded_type == b"hvc1"


@pytest.mark.timeout(30)
def test_extents_that_take_no_bytes_are_not_counted_out() -> None:
    """Half a billion of them fit into 70 kB."""
    head = LOCATION.pack(1, 0, 0, 0) + bytes(2) + struct.pack(">H", 9000)
    crowd = build_box(b"iloc", head, struct.pack(">HHHH", 1, 0, 0, 0xFFFF) * 9000)
    items = read_items(build_brands(b"mif1") + build_meta(crowd))
    assert items is not None
    assert items.end == 0


@pytest.mark.parametrize(
    "data", [b"", build_brands(b"heic"), build_brands(b"heic") + build_meta(build_box(b"pitm", b"\0"))]
)
def test_broken_files_have_no_items(data: bytes) -> None:
    assert read_items(data) is None


@given(data=st.binary(max_size=200), place=st.integers(0, 300))
def test_any_bytes_are_read_without_an_error(data: bytes, place: int) -> None:
    file = build_heif(b"hvc1", b"grid")
    read_items(file[:place] + data + file[place:])
    read_brands(data)
