import struct
from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.color.srgb import IccProfile
from pipeline.decoding.animation import MOST_FRAMES, choose_frame, count_affordable, is_flat
from pipeline.errors import ImageRefused, ImageUndecodable
from tests.support.builders import build_noise

PICTURE = build_noise(16, 12)
BLANK = Image.new("RGB", (16, 12), (255, 255, 255))
BLACK = Image.new("RGB", (16, 12))
TRANSPARENT = Image.new("RGBA", (16, 12))


def fail(error: Exception) -> Iterator[Image.Image]:
    raise error
    yield


@pytest.mark.parametrize("flat", [BLANK, BLACK, TRANSPARENT, Image.new("L", (16, 12), 90)])
def test_a_flat_first_frame_does_not_hide_the_picture(flat: Image.Image) -> None:
    assert choose_frame([flat, flat, PICTURE, BLACK]) == (2, PICTURE)


def test_the_first_frame_that_shows_something_is_judged_and_none_after_it_is_read() -> None:
    assert choose_frame(chain([PICTURE], fail(AssertionError()))) == (0, PICTURE)


def test_the_first_frame_is_judged_where_all_are_flat() -> None:
    number, pixels = choose_frame([BLACK, BLANK, TRANSPARENT])
    assert (number, pixels) == (0, BLACK)


def test_a_frame_is_flat_over_white_and_not_by_its_hidden_colors() -> None:
    hidden = PICTURE.convert("RGBA")
    hidden.putalpha(0)
    assert is_flat(hidden)
    half = Image.new("RGBA", (16, 12), (255, 255, 255, 255))
    half.paste((255, 255, 255, 0), (0, 0, 8, 12))
    assert is_flat(half)


def paint(spread: int = 0, dots: int = 0) -> Image.Image:
    """Build 100 x 100 pixels of gray with noise of `spread` levels to both sides, and `dots` black pixels."""
    levels = 128 + np.random.default_rng(0).integers(-spread, spread + 1, 10_000)
    levels[:dots] = 0
    return Image.fromarray(levels.astype(np.uint8).reshape(100, 100))


@pytest.mark.parametrize(
    ("pixels", "flat"),
    [
        (paint(), True),
        (paint(spread=8), True),
        (paint(spread=16), False),
        (paint(dots=100), True),
        (paint(dots=101), False),
        (Image.linear_gradient("L"), False),
    ],
)
def test_a_frame_of_noise_or_of_a_dot_is_flat(pixels: Image.Image, flat: bool) -> None:
    assert is_flat(pixels) == flat


def test_one_channel_that_varies_is_a_picture() -> None:
    ramp, level = Image.linear_gradient("L"), Image.new("L", (256, 256), 128)
    for channels in ((ramp, level, level), (level, ramp, level), (level, level, ramp)):
        assert not is_flat(Image.merge("RGB", channels))


def build_dark_profile() -> bytes:
    """Build a profile that turns all but the brightest levels black: sRGB with an exponent of 20."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exponent, higher = (struct.pack(">i", round(value * 65536)) for value in (2.4, 20.0))
    assert srgb.count(exponent) == 1
    return srgb.replace(exponent, higher).replace("sRGB".encode("utf-16-be"), "dark".encode("utf-16-be"))


def test_a_frame_is_flat_by_the_colors_that_are_shown() -> None:
    ramp = Image.linear_gradient("L").point(lambda level: 64 + level // 4).convert("RGB")
    assert not is_flat(ramp)
    assert is_flat(ramp, IccProfile(build_dark_profile()))


def test_looking_at_frames_is_bounded() -> None:
    assert choose_frame(chain(repeat(BLANK, MOST_FRAMES - 1), [PICTURE]))[0] == MOST_FRAMES - 1
    assert choose_frame(repeat(BLANK, MOST_FRAMES)) == (0, BLANK)


def test_a_picture_is_not_hidden_behind_more_flat_frames_than_are_looked_at() -> None:
    frames = chain(repeat(BLANK, MOST_FRAMES), [PICTURE], fail(AssertionError()))
    with pytest.raises(ImageRefused, match=f"first {MOST_FRAMES} frames are of one color"):
        choose_frame(frames)


@pytest.mark.parametrize(
    ("size_px", "frames"),
    [((1, 1), 1000), ((500, 300), 1000), ((1500, 1000), 100), ((7500, 4000), 5), ((20_000, 20_000), 2)],
)
def test_of_large_frames_at_least_two_are_looked_at(size_px: tuple[int, int], frames: int) -> None:
    assert count_affordable(size_px) == frames


def test_a_later_frame_that_cannot_be_read_ends_the_search() -> None:
    assert choose_frame(chain([BLANK], fail(OSError("broken")))) == (0, BLANK)


@pytest.mark.parametrize("error", [OSError("broken"), MemoryError()])
def test_an_error_of_the_first_frame_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        choose_frame(fail(error))


def test_lack_of_memory_is_no_broken_frame() -> None:
    with pytest.raises(MemoryError):
        choose_frame(chain([BLANK], fail(MemoryError())))


def test_a_file_without_frames_is_undecodable() -> None:
    with pytest.raises(ImageUndecodable, match="no frame"):
        choose_frame([])


def test_a_small_picture_on_a_large_ground_is_a_picture() -> None:
    for side, flat in ((100, True), (101, False)):
        ground = Image.new("RGB", (2000, 2000), "white")
        ground.paste((0, 0, 0), (0, 0, side, side))
        assert is_flat(ground) == flat
