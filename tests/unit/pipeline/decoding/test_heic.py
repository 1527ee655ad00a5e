import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.decoding.decode import decode
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.heic import P3_NCLX, build_box, build_brands, encode_heic

CAP = 1_000_000


def build_gradient(width: int = 64, height: int = 48) -> Image.Image:
    """Build a smooth picture, which a lossy codec keeps to a level or two."""
    across, down = np.meshgrid(np.linspace(20, 230, width), np.linspace(30, 200, height))
    return Image.fromarray(np.stack([across, down, np.full_like(across, 90)], -1).round().astype(np.uint8))


def measure_difference(data: bytes, expected: Image.Image) -> int:
    image = decode(data, max_pixels=CAP)
    assert (image.format, image.frames, image.frame, image.repaired) == ("heic", 1, 0, False)
    assert image.size_px == expected.size
    return int(np.abs(np.asarray(image.pixels).astype(int) - np.asarray(expected.convert("RGB"))).max())


@pytest.mark.parametrize("size", [(64, 48), (97, 53)])
def test_pixels_are_kept(size: tuple[int, int]) -> None:
    image = build_gradient(*size)
    assert measure_difference(encode_heic(image), image) <= 3


def test_tiles_make_one_picture() -> None:
    image = build_gradient(300, 140)
    assert measure_difference(encode_heic(image, tile_size=64), image) <= 3


def test_gray_and_10_bit() -> None:
    gray = build_gradient().convert("L")
    assert measure_difference(encode_heic(gray), gray) <= 3
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert measure_difference(encode_heic(deep), gray) <= 3


def test_transparency_is_over_white() -> None:
    image = build_gradient()
    image.putalpha(0)
    assert measure_difference(encode_heic(image), Image.new("RGB", image.size, "white")) <= 1
    image.putalpha(255)
    assert measure_difference(encode_heic(image), image) <= 3


def test_a_profile_counts_by_what_it_does() -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    image = build_gradient()
    red_band, green_band, blue_band = image.split()
    swapped = Image.merge("RGB", (blue_band, green_band, red_band))
    assert measure_difference(encode_heic(image, icc_profile=bytes(profile)), swapped) <= 4


def test_display_p3_becomes_srgb() -> None:
    image = Image.new("RGB", (64, 48), (200, 60, 40))
    data = encode_heic(image, **P3_NCLX)
    assert measure_difference(data, Image.new("RGB", (64, 48), (217, 42, 23))) <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_once(orientation: int) -> None:
    """The encoder states the same turn twice: by boxes, which count, and in EXIF, which does not."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    tagged = Image.open(io.BytesIO(encode_image(build_gradient(), "PNG", exif=exif)))
    upright = Image.open(io.BytesIO(encode_image(tagged, "PNG")))
    expected = decode(encode_image(tagged, "PNG", exif=exif), max_pixels=CAP).pixels
    assert measure_difference(encode_heic(upright, exif=exif.tobytes()), expected) <= 3


def test_orientation_of_exif_alone_is_ignored() -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    image = build_gradient()
    data = encode_heic(image, exif=exif)
    assert b"irot" not in data
    assert measure_difference(data, image) <= 3


def test_thumbnails_and_further_pictures_are_not_shown() -> None:
    image = build_gradient()
    assert measure_difference(encode_heic(image, thumbnails=[16]), image) <= 3
    assert measure_difference(encode_heic(image, save_all=True, append_images=[build_noise()]), image) <= 3


@pytest.mark.parametrize("brand", [b"mif1", b"heix", b"miaf"])
def test_the_codec_decides_and_not_the_major_brand(brand: bytes) -> None:
    image = build_gradient()
    assert measure_difference(encode_heic(image).replace(b"ftypheic", b"ftyp" + brand), image) <= 3


def test_avif_under_the_brand_of_heif_is_avif() -> None:
    data = encode_image(build_gradient(), "AVIF", quality=90).replace(b"ftypavif", b"ftypmif1")
    assert decode(data, max_pixels=CAP).format == "avif"


def test_a_sequence_without_a_still_is_refused_by_name() -> None:
    data = build_brands(b"msf1", b"hevc") + build_box(b"moov", bytes(100))
    with pytest.raises(ImageRefused, match="a HEIF sequence without a still picture"):
        decode(data, max_pixels=CAP)


@pytest.mark.parametrize("tile_size", [0, 64])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_a_file_cut_short_is_undecodable(tile_size: int, fraction: float) -> None:
    data = encode_heic(build_noise(200, 100), tile_size=tile_size)
    with pytest.raises(ImageUndecodable):
        decode(data[: int(len(data) * fraction)], max_pixels=CAP)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="the limit of 1000 pixels"):
        decode(encode_heic(build_gradient()), max_pixels=1000)


def test_tiles_that_claim_to_be_huge_are_refused() -> None:
    """The picture itself is small: what its parts claim is memory too."""
    tile = b"ispe" + struct.pack(">III", 0, 64, 64)
    data = encode_heic(build_gradient(300, 140), tile_size=64)
    assert tile in data
    with pytest.raises(ImageTooLarge):
        decode(data.replace(tile, b"ispe" + struct.pack(">III", 0, 30_000, 30_000)), max_pixels=CAP)


def test_the_cap_itself_is_judged() -> None:
    assert decode(encode_heic(build_gradient(65, 40)), max_pixels=65 * 40).size_px == (65, 40)
