"""AVIF files become what Chromium paints: each expected color was read from its canvas."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, features

from pipeline.decoding.avif import read_avif
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.decoding.pillow import limit_pillow
from pipeline.decoding.render import render
from pipeline.errors import ImageUndecodable
from tests.support.image_files.avif import build_avif, build_mirror, build_nclx, build_rotation, encode_avif
from tests.support.image_files.exif import SHORT, build_exif
from tests.support.image_files.heic import build_box
from tests.support.image_files.icc import SRGB_COLUMNS, build_gray_profile, build_rgb_profile, write_gamma

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
RED, GREEN, BLUE, GRAY = (200, 40, 40), (40, 180, 60), (50, 70, 200), (128, 128, 128)
LINEAR = build_box(b"colr", b"prof", build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0)))


def draw_fields() -> Image.Image:
    """Draw four flat fields: red, green, blue, gray."""
    image = Image.new("RGB", (32, 16), RED)
    image.paste(GREEN, (16, 0, 32, 8))
    image.paste(BLUE, (0, 8, 16, 16))
    image.paste(GRAY, (16, 8, 32, 16))
    return image


def read(data: bytes) -> Frame:
    with limit_pillow(10_000_000):
        return read_avif(data)


def render_fields(data: bytes) -> list[tuple[int, ...]]:
    """Return the color in the middle of each quarter, row by row."""
    pixels = render(read(data))
    places = [(x * pixels.width // 4, y * pixels.height // 4) for y in (1, 3) for x in (1, 3)]
    return [pixels.getpixel(place) for place in places]  # type: ignore[misc] # RGB pixels are tuples


def assert_close(fields: list[tuple[int, ...]], *expected: tuple[int, ...], levels: int = 3) -> None:
    assert np.abs(np.array(fields) - np.array(expected)).max() <= levels, fields


@pytest.mark.parametrize("nclx", [(1, 13), (2, 2), (1, 1), (1, 6), (1, 14), (1, 3), (13, 19), (12, 13, 12)])
def test_code_points_that_mean_srgb(nclx: tuple[int, ...]) -> None:
    frame = read(build_avif(draw_fields(), build_nclx(*nclx)))
    assert render(frame).tobytes() == frame.pixels.tobytes()


def test_a_file_that_states_no_color_is_srgb() -> None:
    assert_close(render_fields(build_avif(draw_fields())), RED, GREEN, BLUE, GRAY)


@pytest.mark.parametrize(
    ("nclx", "painted"),
    [
        ((12, 13), [(218, 0, 26), (0, 183, 30), (44, 71, 208), (128, 128, 128)]),
        ((1, 8), [(229, 110, 110), (110, 219, 133), (122, 143, 229), (188, 188, 188)]),
        ((1, 4), [(201, 35, 35), (35, 181, 57), (46, 68, 201), (129, 129, 129)]),
        ((9, 16), [(255, 0, 0), (0, 255, 0), (0, 0, 255), (132, 132, 132)]),
        ((9, 18), [(230, 0, 13), (0, 170, 0), (0, 49, 179), (99, 99, 99)]),
    ],
)
def test_code_points_are_converted(nclx: tuple[int, int], painted: list[tuple[int, ...]]) -> None:
    assert_close(render_fields(build_avif(draw_fields(), build_nclx(*nclx))), *painted, levels=5)


@pytest.mark.parametrize("boxes", [(LINEAR, build_nclx(12, 13)), (build_nclx(12, 13), LINEAR)])
def test_a_profile_comes_before_code_points(boxes: tuple[bytes, bytes]) -> None:
    painted = [(229, 110, 110), (110, 219, 133), (122, 143, 229), (188, 188, 188)]
    assert_close(render_fields(build_avif(draw_fields(), *boxes)), *painted)


@pytest.mark.parametrize(
    "box",
    [
        build_box(b"colr", b"prof", b"broken"),
        build_box(b"colr", b"prof", build_gray_profile()),
        build_nclx(1, 9),
        build_nclx(1, 11),
    ],
)
def test_colors_that_browsers_do_not_show(box: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        read(build_avif(draw_fields(), box))


def test_the_light_that_a_file_states_decides_how_it_is_darkened() -> None:
    nits = [1000, 400, 100]
    files = [
        build_avif(draw_fields(), build_nclx(9, 16), build_box(b"clli", struct.pack(">HH", peak, 1))) for peak in nits
    ]
    grays = [render_fields(data)[3][0] for data in files]
    assert grays[0] < grays[1] < grays[2]
    assert render_fields(files[0]) == render_fields(build_avif(draw_fields(), build_nclx(9, 16)))


@pytest.mark.parametrize(
    ("boxes", "fields"),
    [
        ([build_rotation(1)], [GREEN, GRAY, RED, BLUE]),
        ([build_rotation(2)], [GRAY, BLUE, GREEN, RED]),
        ([build_rotation(3)], [BLUE, RED, GRAY, GREEN]),
        ([build_mirror(0)], [BLUE, GRAY, RED, GREEN]),
        ([build_mirror(1)], [GREEN, RED, GRAY, BLUE]),
        ([build_rotation(1), build_mirror(0)], [RED, BLUE, GREEN, GRAY]),
    ],
)
def test_boxes_turn_and_mirror(boxes: list[bytes], fields: list[tuple[int, ...]]) -> None:
    assert_close(render_fields(build_avif(draw_fields(), build_nclx(1, 13), *boxes)), *fields)


@pytest.mark.parametrize("exif", [build_exif((ORIENTATION_TAG, SHORT, 1, 6)), b"broken", b"II*\0"])
def test_exif_turns_nothing_and_breaks_nothing(exif: bytes) -> None:
    fields = render_fields(build_avif(draw_fields(), build_nclx(1, 13), build_rotation(2), exif=exif))
    assert_close(fields, GRAY, BLUE, GREEN, RED)


def build_clap(width: int, height: int, right: int, down: int, divisor: int = 1) -> bytes:
    return build_box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, right, divisor, down, divisor))


@pytest.mark.parametrize(
    ("clap", "size"),
    [
        (build_clap(16, 8, -8, -4), (16, 8)),
        (build_clap(16, 8, 0, 0), (32, 16)),
        (build_clap(64, 16, 16, 0), (32, 16)),
        (build_clap(16, 8, -8, -4, 0), (32, 16)),
        (build_clap(0, 8, -16, -4), (32, 16)),
    ],
)
def test_a_clean_aperture_counts_at_the_upper_left(clap: bytes, size: tuple[int, int]) -> None:
    assert read(build_avif(draw_fields(), build_nclx(1, 13), clap)).pixels.size == size


def test_transparency_is_laid_over_white_as_chromium_does() -> None:
    image = draw_fields().convert("RGBA")
    image.putalpha(128)
    assert_close(render_fields(encode_avif(image)), (226, 143, 143), (143, 216, 153), (148, 158, 226), (189, 189, 189))


def test_gray_files() -> None:
    assert_close(render_fields(encode_avif(Image.new("L", (32, 16), 90))), *[(90, 90, 90)] * 4)


def test_the_first_frame_that_shows_something_is_judged() -> None:
    flat = Image.new("RGB", (32, 16), (250, 220, 20))
    data = encode_avif(flat, save_all=True, append_images=[draw_fields(), flat], range="limited")
    frame = read(data)
    assert (frame.frame, frame.frames) == (1, 3)
    assert_close(render_fields(data), RED, GREEN, BLUE, GRAY)


def test_an_animation_of_full_range_is_taken_for_one_of_limited_range() -> None:
    data = encode_avif(draw_fields(), save_all=True, append_images=[draw_fields().rotate(180)])
    assert_close(render_fields(data), (211, 29, 30), (28, 191, 51), (40, 64, 209), (130, 130, 130))


def test_the_colors_of_an_animation_are_those_of_its_track() -> None:
    data = encode_avif(draw_fields(), save_all=True, append_images=[draw_fields()], range="limited")
    places = [at for at in range(len(data)) if data.startswith(b"colrnclx", at)]
    assert len(places) == 2
    for at, is_of_track in zip(places, (False, True), strict=True):
        linear = data[: at + 8] + struct.pack(">HH", 1, 8) + data[at + 12 :]
        assert (render_fields(linear)[3][0] > 180) is is_of_track


@pytest.mark.parametrize("encode", [encode_avif, build_avif])
@pytest.mark.parametrize("fraction", [0.3, 0.7, 0.99])
def test_a_cut_file_is_not_shown(encode: Callable[[Image.Image], bytes], fraction: float) -> None:
    data = encode(draw_fields())
    with pytest.raises(ImageUndecodable):
        read(data[: int(len(data) * fraction)])


def test_what_follows_the_boxes_does_not_matter() -> None:
    assert_close(render_fields(encode_avif(draw_fields()) + b"more"), RED, GREEN, BLUE, GRAY)
