import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from pipeline.color.icc import IccProfile
from pipeline.decoding.decode import decode
from pipeline.decoding.frame import Frame
from pipeline.decoding.tiff import read_tiff
from pipeline.errors import ImageRefused, ImageUndecodable, PoisonError
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.tiff import LONG, SHORT, Samples, TiffPage, Typed, build_page, build_tiff

NOISE = np.asarray(build_noise()).astype(int)
RAMP = np.linspace(0, 65535, 48).round().astype(int)[None, :, None]


def paint(data: bytes) -> Samples:
    return np.asarray(decode(data, max_pixels=100_000).pixels).astype(int)


def read(*pages: TiffPage, last_pointer: int = 0) -> Frame:
    return read_tiff(build_tiff(*pages, last_pointer=last_pointer))


# What Pillow alone would show otherwise


def test_16_bit_gray_whose_white_is_zero_is_no_negative() -> None:
    found = paint(build_tiff(build_page(RAMP, bits=16, photometric=0)))
    assert np.abs(found - (255 - RAMP / 257)).max() <= 0.5


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_of_few_bits_are_not_dark(bits: int) -> None:
    found = paint(build_tiff(build_page(RAMP >> (16 - bits), bits=bits)))
    assert np.abs(found - RAMP / 257).max() <= 1


def test_a_fourth_sample_that_nothing_names_is_no_transparency() -> None:
    samples = np.dstack([NOISE, np.zeros((48, 64, 1))])
    assert (paint(build_tiff(build_page(samples))) == NOISE).all()


def test_a_smaller_copy_before_the_picture_is_passed_over() -> None:
    copy = build_page(np.zeros((3, 4, 3)), tags={254: (LONG, [1])})
    frame = read(copy, build_page(NOISE))
    assert (frame.pixels.size, frame.frames, frame.frame, frame.repaired) == ((64, 48), 1, 0, False)


@pytest.mark.parametrize("last_pointer", [8, 10**9])
def test_a_broken_pointer_to_a_next_page_is_repaired(last_pointer: int) -> None:
    data = build_tiff(build_page(NOISE), last_pointer=last_pointer)
    image = decode(data, max_pixels=100_000)
    assert (np.asarray(image.pixels) == NOISE).all()
    assert (image.frames, image.repaired) == (1, True)


@pytest.mark.parametrize("tags", [{258: (SHORT, [5, 9, 1])}, {259: (SHORT, [34712])}, {277: (SHORT, [999])}])
def test_an_odd_second_page_does_not_matter(tags: dict[int, Typed]) -> None:
    frame = read(build_page(NOISE), build_page(NOISE, tags=tags))
    assert (np.asarray(frame.pixels) == NOISE).all()
    assert (frame.frames, frame.repaired) == (2, False)


def test_raw_files_and_foreign_compressions_are_refused_with_their_names() -> None:
    preview = build_page(NOISE, tags={254: (LONG, [1]), 50706: (1, [1, 4, 0, 0])})
    with pytest.raises(ImageRefused, match="DNG"):
        read(TiffPage(preview.tags, preview.segments, [build_page(NOISE)]))
    with pytest.raises(ImageRefused, match="JPEG 2000"):
        read(build_page(NOISE, tags={259: (SHORT, [34712])}))


# Colors and orientation


def build_profile(space: str) -> bytes:
    """Build a linear profile of gray or RGB: sRGB's, with a curve of exponent 1."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    place = profile.find(b"para", 132)
    profile[place : place + 16] = b"para" + bytes(4) + struct.pack(">HHI", 0, 0, 65536)
    if space == "GRAY":
        profile[16:20] = b"GRAY"
        profile = profile.replace(b"rTRC", b"kTRC", 1)
    return bytes(profile)


@pytest.mark.parametrize(
    ("space", "samples", "bits"),
    [("RGB", NOISE, 8), ("RGB", NOISE * 257, 16), ("GRAY", RAMP, 16), ("GRAY", RAMP >> 4, 12)],
)
def test_the_profile_of_the_page_is_its_color(space: str, samples: Samples, bits: int) -> None:
    profile = build_profile(space)
    data = build_tiff(build_page(samples, bits=bits, tags={34675: (7, profile)}))
    frame = read_tiff(data)
    assert (frame.color, frame.pixels.mode) == (IccProfile(profile, keeps_black=True), "RGB" if space == "RGB" else "L")
    assert paint(data).mean() > 255 * samples.mean() / ((1 << bits) - 1) + 20  # linear light is lighter in sRGB


def test_lab_needs_no_profile() -> None:
    assert read(build_page(NOISE, photometric=8, tags={34675: (7, build_profile("RGB"))})).color is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_the_page_that_is_judged(orientation: int) -> None:
    copy = build_page(np.zeros((3, 4, 3)), tags={254: (LONG, [1]), 274: (SHORT, [3])})
    data = build_tiff(copy, build_page(NOISE, tags={274: (SHORT, [orientation])}))
    turned = build_noise()
    turned.getexif()[274] = orientation
    assert (paint(data) == np.asarray(ImageOps.exif_transpose(turned))).all()


@pytest.mark.parametrize("typed", [(LONG, [6]), (1, [6]), (SHORT, [0]), (SHORT, [9])])
def test_an_orientation_of_another_type_or_number_is_none(typed: Typed) -> None:
    assert read(build_page(NOISE, tags={274: typed})).orientation == 1


# Files of Pillow, and broken ones


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
def test_files_of_pillow(mode: str, compression: str) -> None:
    image = build_noise(mode="L").convert("P") if mode == "P" else build_noise().convert(mode.replace("I;16", "I"))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    data = encode_image(image, "TIFF", compression=compression)
    expected = np.asarray(build_noise().convert("L").convert("RGB") if mode == "I;16" else image.convert("RGB"))
    assert np.abs(paint(data) - expected).max() <= (1 if mode == "YCbCr" else 0)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize("left_out", [1, 100, 1000])
def test_a_file_that_ends_before_its_pixels_is_undecodable(compression: int, left_out: int) -> None:
    page = build_page(NOISE, compression=compression)
    (strip,) = page.segments
    place = len(build_tiff(TiffPage({**page.tags, 273: (LONG, [0]), 279: (LONG, [0])})))
    tags = {**page.tags, 273: (LONG, [place]), 279: (LONG, [len(strip)])}
    data = build_tiff(TiffPage(tags)) + strip
    assert (paint(data) == NOISE).all()
    with pytest.raises(ImageUndecodable):
        paint(data[:-left_out])


@settings(max_examples=200, deadline=None)
@given(
    compression=st.sampled_from([1, 5, 8, 32773]),
    big=st.booleans(),
    tiled=st.booleans(),
    place=st.integers(0, 400),
    value=st.integers(0, 255),
)
def test_broken_bytes_raise_nothing_but_our_errors(
    compression: int, big: bool, tiled: bool, place: int, value: int
) -> None:
    page = build_page(NOISE[:8, :8], compression=compression, tile=(16, 16) if tiled else None)
    data = bytearray(build_tiff(page, big=big))
    data[-1 - place % len(data)] = value  # most of the tags are at the end
    try:
        image = decode(bytes(data), max_pixels=50_000)
    except PoisonError:
        return
    assert image.pixels.mode == "RGB"


def test_a_file_of_pillow_with_many_pages_counts_them() -> None:
    pages = [build_noise(seed=seed) for seed in range(5)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    image = decode(stream.getvalue(), max_pixels=100_000)
    assert image.frames == 5
    assert (np.asarray(image.pixels) == np.asarray(pages[0])).all()
