import itertools

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.tiff.layout import read_layout
from pipeline.tiff.tags import TiffFile
from pipeline.tiff.unpacking import Bytes, unpack_planes
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.tiff import (
    COMPRESSIONS,
    LONG,
    SHORT,
    TiffPage,
    Typed,
    build_page,
    build_tiff,
    extract_strip,
    pack_samples,
)

SAMPLES = np.random.default_rng(0).integers(0, 256, (21, 37, 3))
SIZE: dict[int, Typed] = {256: (LONG, [48]), 257: (LONG, [32]), 278: (LONG, [32])}


def unpack(data: bytes) -> list[Bytes]:
    file = TiffFile(data)
    page = file.read_directory(file.first_offset)
    assert page is not None
    return unpack_planes(page, read_layout(page))


def draw_ramp() -> Image.Image:
    """Draw colors that JPEG keeps: they change slowly."""
    rows, columns = np.mgrid[0:32, 0:48]
    return Image.fromarray(np.stack([rows * 4 + columns, 5 * columns, 7 * rows], axis=2).astype(np.uint8))


def build_jpeg_page(photometric: int, *streams: bytes, tags: dict[int, Typed] | None = None) -> bytes:
    colors: dict[int, Typed] = {259: (SHORT, [7]), 262: (SHORT, [photometric]), 258: (SHORT, [8] * 3)}
    return build_tiff(TiffPage(SIZE | colors | {277: (SHORT, [3])} | (tags or {}), streams))


@pytest.mark.parametrize("compression", [1, *COMPRESSIONS])
def test_strips_and_tiles_lie_side_by_side(compression: int) -> None:
    for order, big in itertools.product("<>", (False, True)):
        whole = build_page(SAMPLES, compression=compression)
        strips = build_page(SAMPLES, compression=compression, rows_per_strip=4)
        tiles = build_page(SAMPLES, compression=compression, tile=(16, 32))
        for page in (whole, strips):
            (rows,) = unpack(build_tiff(page, order=order, big=big))  # type: ignore[arg-type] # of product
            assert (rows == SAMPLES.reshape(21, -1)).all()
        (rows,) = unpack(build_tiff(tiles, order=order, big=big))  # type: ignore[arg-type] # of product
        assert (rows[:, : 37 * 3] == SAMPLES.reshape(21, -1)).all()
        assert rows.shape == (21, 48 * 3)


@pytest.mark.parametrize("compression", [1, 5])
def test_planes_come_one_by_one(compression: int) -> None:
    page = build_page(SAMPLES, compression=compression, planar=True, rows_per_strip=5)
    assert [(rows == SAMPLES[:, :, place]).all() for place, rows in enumerate(unpack(build_tiff(page)))] == [True] * 3


@pytest.mark.parametrize("compression", [1, 5, 32773])
def test_bits_from_the_lowest_on_are_reversed(compression: int) -> None:
    reverse = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(256, 8)[:, ::-1])
    page = build_page(SAMPLES, compression=compression, tags={266: (SHORT, [2])})
    reversed_page = TiffPage(page.tags, [bytes(reverse[list(strip)]) for strip in page.segments])
    (rows,) = unpack(build_tiff(reversed_page))
    assert (rows == SAMPLES.reshape(21, -1)).all()


@pytest.mark.parametrize(("number", "name"), [(2, "tiff_ccitt"), (3, "group3"), (4, "group4")])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax_keeps_its_bits_whatever_they_mean(number: int, name: str, photometric: int) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (32, 48, 1))
    strip = extract_strip(Image.fromarray(bits[:, :, 0] == 1), name)
    tags: dict[int, Typed] = {258: (SHORT, [1]), 259: (SHORT, [number]), 262: (SHORT, [photometric])}
    (rows,) = unpack(build_tiff(TiffPage(SIZE | tags, [strip])))
    assert rows.tobytes() == pack_samples(bits, 1)


# JPEG


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
def test_ycbcr_of_jpeg_becomes_rgb(subsampling: tuple[int, int]) -> None:
    name = ["4:4:4", "4:2:2", "4:2:0"][sum(subsampling) - 2]
    stream = encode_image(draw_ramp(), "JPEG", quality=98, subsampling=name)
    (rows,) = unpack(build_jpeg_page(6, stream, tags={530: (SHORT, subsampling)}))
    assert np.abs(rows.reshape(32, 48, 3).astype(int) - np.asarray(draw_ramp())).max() <= 6


@pytest.mark.parametrize("photometric", [2, 8])
def test_other_colors_of_jpeg_stay(photometric: int) -> None:
    stream = encode_image(draw_ramp(), "JPEG", quality=98, keep_rgb=True)
    (rows,) = unpack(build_jpeg_page(photometric, stream))
    assert np.abs(rows.reshape(32, 48, 3).astype(int) - np.asarray(draw_ramp())).max() <= 3


def test_planes_of_jpeg() -> None:
    streams = [encode_image(band, "JPEG", quality=98) for band in draw_ramp().split()]
    planes = unpack(build_jpeg_page(2, *streams, tags={284: (SHORT, [2])}))
    assert np.abs(np.stack(planes, axis=2).astype(int) - np.asarray(draw_ramp())).max() <= 3


def test_tables_that_the_strips_of_a_page_share() -> None:
    data = encode_image(draw_ramp(), "TIFF", compression="jpeg", quality=98)
    (rows,) = unpack(data)
    assert np.abs(rows.reshape(32, 48, 3).astype(int) - np.asarray(draw_ramp())).max() <= 3


@pytest.mark.parametrize("with_strips", [True, False])
def test_jpeg_of_the_old_kind(with_strips: bool) -> None:
    stream = encode_image(draw_ramp(), "JPEG", quality=98, subsampling="4:4:4")
    place: dict[int, Typed] = {512: (SHORT, [1]), 513: (LONG, [8]), 514: (LONG, [len(stream)]), 530: (SHORT, [1, 1])}
    place |= {273: (LONG, [8]), 279: (LONG, [len(stream)])} if with_strips else {}
    tags: dict[int, Typed] = {258: (SHORT, [8] * 3), 259: (SHORT, [6]), 262: (SHORT, [6]), 277: (SHORT, [3])}
    (rows,) = unpack(build_tiff(TiffPage(SIZE | tags | place), head=stream))
    assert np.abs(rows.reshape(32, 48, 3).astype(int) - np.asarray(draw_ramp())).max() <= 6


@pytest.mark.parametrize(("photometric", "samples"), [(2, 5), (6, 4)])
def test_jpeg_of_more_samples_is_refused(photometric: int, samples: int) -> None:
    data = build_jpeg_page(photometric, b"", tags={277: (SHORT, [samples]), 258: (SHORT, [8] * samples)})
    with pytest.raises(ImageRefused, match=f"JPEG with {samples} samples"):
        unpack(data)


# Broken


@pytest.mark.parametrize("offset", [2**32 - 1, 500])
def test_strips_beyond_the_end(offset: int) -> None:
    page = build_page(SAMPLES)
    with pytest.raises(ImageUndecodable, match="ends before"):
        unpack(build_tiff(TiffPage({**page.tags, 273: (LONG, [offset])})))


@pytest.mark.parametrize("compression", [5, 7])
def test_compressed_strips_beyond_the_end(compression: int) -> None:
    page = build_page(SAMPLES, compression=5, tags={259: (SHORT, [compression])})
    (strip,) = page.segments
    for offset, length in ((8, 10**6), (10**6, 9), (2**32 - 1, 2**32 - 1)):
        tags: dict[int, Typed] = {**page.tags, 273: (LONG, [offset]), 279: (LONG, [length])}
        data = build_tiff(TiffPage(tags), head=strip)
        with pytest.raises(ImageUndecodable, match="ends before"):
            unpack(data)


def test_a_strip_of_no_stated_length_may_reach_to_the_end() -> None:
    page = build_page(SAMPLES, compression=5)
    (rows,) = unpack(build_tiff(TiffPage({**page.tags, 273: (LONG, [8])}), head=page.segments[0]))
    assert (rows == SAMPLES.reshape(21, -1)).all()


@pytest.mark.parametrize("compression", [*COMPRESSIONS, 7])
def test_strips_cut_short_or_of_other_bytes_raise_an_error(compression: int) -> None:
    page = build_page(SAMPLES, compression=compression)
    for strip in (page.segments[0][:9], b"\xff" * 500):
        with pytest.raises(OSError, match="decoder error"):
            unpack(build_tiff(TiffPage(page.tags, [strip])))


def test_the_limit_of_pixels_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32)
    (rows,) = unpack(encode_image(build_noise(48, 32), "TIFF", compression="tiff_lzw"))  # 3 bytes a pixel
    assert rows.shape == (32, 144)
    assert Image.MAX_IMAGE_PIXELS == 48 * 32
