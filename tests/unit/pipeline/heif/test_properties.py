import struct

import pytest

from pipeline.heif.properties import adapt_for_libavif, read_properties, read_track_properties
from tests.support.image_files.heic import PRIMARY_IS_FIRST, build_box, build_brands, build_item_types, build_meta

NCLX = build_box(b"colr", b"nclx", b"\0\1\0\2")
PROFILE = build_box(b"colr", b"prof", b"profile")
ROTATION = build_box(b"irot", b"\1")


def build_file(*properties: bytes, ipma: bytes, primary: bytes = PRIMARY_IS_FIRST) -> bytes:
    iprp = build_box(b"iprp", build_box(b"ipco", *properties), build_box(b"ipma", ipma))
    return build_brands(b"avif") + build_meta(primary, build_item_types(b"av01", b"av01"), iprp)


def test_the_properties_of_the_primary_item() -> None:
    ipma = struct.pack(">IIHBBHBBB", 0, 2, 2, 1, 3, 1, 2, 0x81, 2)
    properties = read_properties(build_file(NCLX, ROTATION, PROFILE, ipma=ipma))
    assert (properties.nclx, properties.icc_profile) == (b"\0\1\0\2", None)
    assert properties.boxes == {b"irot": b"\1"}


def test_wide_numbers_of_items_and_places() -> None:
    ipma = struct.pack(">IIIBHH", 1 << 24 | 1, 1, 70_000, 2, 0x8001, 2)
    primary = build_box(b"pitm", struct.pack(">II", 1 << 24, 70_000))
    properties = read_properties(build_file(PROFILE, NCLX, ipma=ipma, primary=primary))
    assert (properties.nclx, properties.icc_profile) == (b"\0\1\0\2", b"profile")


@pytest.mark.parametrize(
    "ipma",
    [b"", b"\0", struct.pack(">IIHBB", 0, 1, 1, 1, 9), struct.pack(">IIH", 0, 9, 1), struct.pack(">II", 0, 2**32 - 1)],
)
def test_broken_associations_give_no_property(ipma: bytes) -> None:
    properties = read_properties(build_file(NCLX, ipma=ipma))
    assert (dict(properties.boxes), properties.nclx) == ({}, None)


@pytest.mark.parametrize("data", [b"", build_brands(b"avif"), build_brands(b"avif") + build_meta()])
def test_files_without_items(data: bytes) -> None:
    assert read_properties(data).boxes == {}


def test_the_properties_of_a_track() -> None:
    entry = build_box(b"av01", bytes(78), NCLX, build_box(b"av1C", b"codec"))
    box = build_box(b"stsd", bytes(8), entry)
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        box = build_box(kind, build_box(b"free"), box)
    assert read_track_properties(build_brands(b"avis") + box).nclx == b"\0\1\0\2"
    assert read_track_properties(build_brands(b"avis")).nclx is None


def test_metadata_is_hidden() -> None:
    data = build_brands(b"avif") + build_meta(build_item_types(b"av01", b"Exif")) + build_box(b"mdat", b"Exif\0")
    hidden = adapt_for_libavif(data)
    assert (len(hidden), hidden.count(b"Exif"), hidden[-5:]) == (len(data), 1, b"Exif\0")
    assert adapt_for_libavif(hidden) is hidden


def test_a_file_is_avif_by_any_of_its_brands() -> None:
    assert adapt_for_libavif(build_brands(b"miaf", b"avif"))[8:12] == b"avif"
    assert adapt_for_libavif(build_brands(b"avis", b"avif"))[8:12] == b"avis"
