import contextlib
from typing import Any

import numpy as np
import pytest

from pipeline.decoding import jxl
from pipeline.decoding.decode import decode
from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable, PoisonError
from pipeline.verdict import RgbImage
from tests.support.builders import build_noise
from tests.support.image_files.jxl import FILES, TWO_FIELDS, encode_jxl

CAP = 1_000_000
NOISE = np.asarray(build_noise(300, 300))
LARGE = np.asarray(build_noise(600, 600)) // 16 + np.arange(0, 150, 0.25).astype(np.uint8)[:, None, None]
"""of several groups of pixels, which come one after the other"""


def decode_jxl(data: bytes) -> RgbImage:
    image = decode(data, max_pixels=CAP)
    assert image.format == "jxl"
    return image


def to_array(image: RgbImage) -> np.ndarray[Any, Any]:
    return np.asarray(image.pixels).astype(int)


@pytest.mark.parametrize("container", [False, True])
def test_codestream_and_container(container: bool) -> None:
    image = decode_jxl(encode_jxl(NOISE, usecontainer=container))
    assert (to_array(image) == NOISE).all()
    assert (image.frames, image.frame, image.repaired) == (1, 0, False)


def test_gray() -> None:
    assert (to_array(decode_jxl(encode_jxl(NOISE[:, :, 0]))) == NOISE[:, :, :1]).all()


@pytest.mark.parametrize("alpha", [False, True])
def test_linear_light_of_16_bits_keeps_its_shadows(alpha: bool) -> None:
    """The encoder takes samples of 16 bits for linear light."""
    light = np.linspace(0, 65535, 64 * 64).round().astype(np.uint16).reshape(64, 64, 1).repeat(3, axis=2)
    opaque = np.full((64, 64, 1), 65535, np.uint16)
    pixels = to_array(decode_jxl(encode_jxl(np.dstack([light, opaque]) if alpha else light)))
    fraction = light / 65535
    expected = 255 * np.where(fraction <= 0.0031308, fraction * 12.92, 1.055 * fraction ** (1 / 2.4) - 0.055)
    assert np.abs(pixels - expected).max() <= 1


def test_transparency_is_over_white() -> None:
    transparent = decode_jxl(encode_jxl(np.dstack([TWO_FIELDS, np.zeros((8, 16), np.uint8)])))
    assert (to_array(transparent) == 255).all()
    opaque = decode_jxl(encode_jxl(np.dstack([TWO_FIELDS, np.full((8, 16), 255, np.uint8)])))
    assert (to_array(opaque) == TWO_FIELDS).all()


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("display-p3", (217, 42, 23), (0, 183, 78)),
        ("linear", (229, 133, 110), (110, 219, 160)),
        ("red-and-blue-swapped", (40, 60, 200), (90, 180, 40)),
        ("pq", (255, 0, 0), (0, 255, 0)),
        ("hlg", (230, 0, 8), (0, 170, 58)),
        ("lossy", (199, 62, 43), (47, 179, 89)),
    ],
)
def test_colors_are_those_that_chromium_paints(name: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    pixels = to_array(decode_jxl(FILES[name]))
    assert np.abs(pixels[2, 2] - left).max() <= 2
    assert np.abs(pixels[5, 13] - right).max() <= 2


def test_the_codestream_says_how_to_turn() -> None:
    assert (to_array(decode_jxl(FILES["turned"])) == np.rot90(TWO_FIELDS, -1)).all()


def test_a_flat_first_frame_hides_nothing() -> None:
    flat = np.full_like(TWO_FIELDS, 255)
    image = decode_jxl(encode_jxl(np.stack([flat, flat, TWO_FIELDS, flat])))
    assert (image.frames, image.frame) == (4, 2)
    assert (to_array(image) == TWO_FIELDS).all()


def test_the_first_frame_of_an_animation() -> None:
    image = decode_jxl(encode_jxl(np.stack([TWO_FIELDS, TWO_FIELDS[::-1]])))
    assert (image.frames, image.frame) == (2, 0)


@pytest.mark.parametrize("fraction", [0.4, 0.7, 0.95, 0.999])
def test_a_file_cut_short_is_judged_as_far_as_it_reaches(fraction: float) -> None:
    data = encode_jxl(LARGE)
    image = decode_jxl(data[: int(len(data) * fraction)])
    is_right = (to_array(image) == LARGE).all(axis=-1)
    assert image.repaired
    assert is_right[:256, :256].all()
    assert not is_right.all()


@pytest.mark.parametrize("fraction", [0.001, 0.02, 0.1])
def test_a_file_of_which_no_pixel_came_is_undecodable(fraction: float) -> None:
    data = encode_jxl(LARGE)
    with pytest.raises(ImageUndecodable):
        decode(data[: int(len(data) * fraction)], max_pixels=CAP)


@pytest.mark.parametrize("place", [2, 10, 40, 400, 4000])
def test_broken_bytes_raise_nothing_but_our_errors(place: int) -> None:
    data = bytearray(encode_jxl(NOISE))
    data[place] ^= 0xFF
    with contextlib.suppress(PoisonError):
        assert decode_jxl(bytes(data)).pixels.mode == "RGB"


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="the limit of 1000 pixels"):
        decode(encode_jxl(NOISE), max_pixels=1000)


def test_a_crowd_of_channels_is_refused() -> None:
    planes = np.zeros((jxl.MOST_EXTRA_CHANNELS + 2, 8, 16), np.uint8)
    with pytest.raises(ImageRefused, match="5 channels beside its colors"):
        decode(encode_jxl(planes, photometric="GRAY", planar=True), max_pixels=CAP)
