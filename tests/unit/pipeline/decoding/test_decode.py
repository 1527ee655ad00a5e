import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, features

from pipeline.decoding import decode as decoding
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, PoisonError
from pipeline.verdict import RgbImage
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.png import END, GRAY, SIGNATURE, build_chunk, build_header

CAP = 1_000_000
WHITE = (255, 255, 255)


def decode(data: bytes) -> RgbImage:
    return decoding.decode(data, max_pixels=CAP)


def to_array(image: Image.Image | RgbImage) -> np.ndarray[Any, Any]:
    return np.asarray(image.pixels if isinstance(image, RgbImage) else image).astype(int)


def fill_image(mode: str, color: Any) -> Image.Image:
    return Image.new(mode, (8, 8), color)


# Formats


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP", "AVIF"])
def test_lossless_files_keep_every_pixel(file_format: str) -> None:
    options: dict[str, Any] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    if file_format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    image = decode(encode_image(build_noise(), file_format, **options.get(file_format, {})))
    assert (image.format, image.frames, image.size_px, image.pixels.mode) == (file_format.lower(), 1, (64, 48), "RGB")
    assert np.abs(to_array(image) - to_array(build_noise())).max() <= (3 if file_format == "AVIF" else 0)


@pytest.mark.parametrize("file_format", ["PPM", "TGA", "ICO", "JPEG2000", "PDF", "EPS", "DDS", "PCX", "SGI"])
def test_other_formats_are_refused(file_format: str) -> None:
    with pytest.raises(ImageRefused, match="judged are jpeg, png"):
        decode(encode_image(build_noise(), file_format))


# Limits


def build_bomb(side: int) -> bytes:
    """Build a PNG of side x side pixels in a thousandth of their bytes."""
    packer = zlib.compressobj()
    rows = b"".join(packer.compress(b"\0" * (side + 1)) for _ in range(side)) + packer.flush()
    return SIGNATURE + build_header(side, side, color_type=GRAY) + build_chunk(b"IDAT", rows) + END


@pytest.mark.parametrize("side", [1001, 1500, 5000])
def test_pixels_are_counted_before_decoding(side: int) -> None:
    with pytest.raises(ImageTooLarge, match="the limit of 1000000 pixels"):
        decode(build_bomb(side))


def test_the_cap_itself_is_judged() -> None:
    assert decode(build_bomb(1000)).size_px == (1000, 1000)


FORMATS = {"TIFF": {"compression": "tiff_lzw"}, "WEBP": {}, "AVIF": {}}


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_undecodable(file_format: str, fraction: float) -> None:
    data = encode_image(build_noise(), file_format, **FORMATS[file_format])
    with pytest.raises(ImageUndecodable):
        decode(data[: int(len(data) * fraction)])


@settings(max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP"]),
    flips=st.dictionaries(st.floats(0, 1), st.integers(0, 255), min_size=1, max_size=8),
)
def test_broken_bytes_raise_nothing_but_our_errors(file_format: str, flips: dict[float, int]) -> None:
    data = bytearray(encode_image(build_noise(24, 16), file_format))
    for place, value in flips.items():
        data[int(place * (len(data) - 1))] = value
    try:
        image = decoding.decode(bytes(data), max_pixels=50_000)
    except PoisonError:
        return
    assert image.pixels.mode == "RGB"


# Pixels as a viewer shows them


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_upright(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    data = encode_image(build_noise(), file_format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (to_array(decode(data)) == to_array(expected)).all()


def test_transparent_palette_entry_is_white() -> None:
    image = fill_image("P", 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert decode(encode_image(image, "PNG", transparency=1)).pixels.getpixel((0, 0)) == WHITE
    assert decode(encode_image(image, "GIF", transparency=1)).pixels.getpixel((0, 0)) == WHITE
    assert decode(encode_image(image, "PNG", transparency=0)).pixels.getpixel((0, 0)) == (200, 0, 0)


@pytest.mark.parametrize("file_format", ["TIFF"])
def test_16_bit_gray_is_scaled_not_clipped(file_format: str) -> None:
    ramp = Image.fromarray(np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64))
    decoded = to_array(decode(encode_image(ramp, file_format)))[:, :, 0]
    assert (np.abs(decoded - to_array(ramp) / 257) <= 0.5).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_samples_are_refused(mode: str) -> None:
    with pytest.raises(ImageRefused):
        decode(encode_image(fill_image(mode, 5), "TIFF"))


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk(file_format: str) -> None:
    red, green, blue = decode(encode_image(fill_image("CMYK", (0, 255, 255, 0)), file_format)).pixels.getpixel((4, 4))  # type: ignore[misc]
    assert red > 250
    assert max(green, blue) < 5


def build_wide_profile() -> bytes:
    """Build a profile with other primaries than sRGB: red and blue are swapped."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    place = {bytes(srgb[i : i + 4]): i for i in range(132, 132 + 12 * srgb[131], 12)}
    red, blue = place[b"rXYZ"], place[b"bXYZ"]
    srgb[red : red + 4], srgb[blue : blue + 4] = b"bXYZ", b"rXYZ"
    text = srgb.find("sRGB".encode("utf-16-be"))
    srgb[text : text + 8] = "mine".encode("utf-16-be")
    return bytes(srgb)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_colors_are_brought_to_srgb(file_format: str) -> None:
    data = encode_image(fill_image("RGB", (250, 0, 0)), file_format, icc_profile=build_wide_profile())
    red, _, blue = decode(data).pixels.getpixel((4, 4))  # type: ignore[misc]
    assert (red < 40, blue > 230) == (True, True)


@pytest.mark.parametrize(
    "profile", [b"", b"broken", build_wide_profile()[:200], build_wide_profile()[:100] + b"\xff" * 400]
)
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    assert (to_array(decode(encode_image(build_noise(), "PNG", icc_profile=profile))) == to_array(build_noise())).all()


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_first_frame_of_an_animation_with_its_count(file_format: str) -> None:
    frames = [fill_image("RGB", color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    image = decode(encode_image(frames[0], file_format, save_all=True, append_images=frames[1:]))
    assert image.frames == 3
    red, green, blue = image.pixels.getpixel((4, 4))  # type: ignore[misc]
    assert red > 240
    assert max(green, blue) < 15


def test_nothing_of_the_file_but_its_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    data = encode_image(build_noise(), "PNG", exif=exif, icc_profile=build_wide_profile(), dpi=(300, 300))
    assert decode(data).pixels.info == {}
