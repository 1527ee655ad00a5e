import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.decoding.pillow import limit_pillow
from pipeline.decoding.render import render
from pipeline.decoding.webp import read_webp
from pipeline.errors import ImageTooLarge, ImageUndecodable
from tests.support.builders import build_noise
from tests.support.image_files.webp import (
    ALPHA,
    ANIMATION,
    EXIF,
    ICC,
    WebpFrame,
    build_animation,
    build_chunk,
    build_frame,
    build_header,
    build_webp,
    encode_pixels,
    split_chunks,
)

CAP = 1_000_000
SIZE = (48, 32)
PICTURE = build_noise(*SIZE)
PART = build_noise(16, 8, seed=1)
BLANK = Image.new("RGB", SIZE, (250, 220, 20))
RED = 0xFFFF0000
PROFILE = b"a profile"


def read(data: bytes) -> Frame:
    with limit_pillow(CAP):
        return read_webp(data)


def show(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels that are judged, over white."""
    return np.asarray(render(read(data)))


def fade(picture: Image.Image) -> Image.Image:
    """Return the picture, transparent at the top and opaque at the bottom."""
    faded = picture.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(picture.size))
    return faded


def lay_over_white(picture: Image.Image) -> NDArray[np.int64]:
    rgba = np.asarray(picture.convert("RGBA")).astype(int)
    alpha = rgba[..., 3:]
    return np.asarray(np.round((rgba[..., :3] * alpha + 255 * (255 - alpha)) / 255)).astype(int)


def place(at: tuple[int, int]) -> NDArray[np.uint8]:
    """Return white with the part in its place."""
    painted = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    painted[at[1] : at[1] + PART.height, at[0] : at[0] + PART.width] = np.asarray(PART)
    return painted


# Still pictures


@pytest.mark.parametrize("lossless", [True, False])
def test_a_still_picture(lossless: bool) -> None:
    data = build_webp(encode_pixels(PICTURE, lossless=lossless))
    assert (show(data) == np.asarray(Image.open(io.BytesIO(data)))).all()
    frame = read(data)
    assert (frame.pixels.mode, frame.frames, frame.frame, frame.repaired) == ("RGB", 1, 0, False)


@pytest.mark.parametrize("lossless", [True, False])
def test_transparency_is_laid_over_white(lossless: bool) -> None:
    picture = fade(BLANK)
    data = build_webp(build_header(SIZE, ALPHA), encode_pixels(picture, lossless=lossless))
    assert np.abs(show(data).astype(int) - lay_over_white(picture)).max() <= 3


def test_orientation_by_exif_is_not_obeyed() -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    data = build_webp(build_header(SIZE, EXIF), encode_pixels(PICTURE), build_chunk(b"EXIF", exif.tobytes()))
    assert (show(data) == np.asarray(PICTURE)).all()


@pytest.mark.parametrize(
    "chunks",
    [
        [build_header(SIZE, ICC), build_chunk(b"ICCP", PROFILE), encode_pixels(PICTURE)],
        [build_header(SIZE, ICC), encode_pixels(PICTURE), build_chunk(b"ICCP", PROFILE)],
    ],
    ids=["before the picture", "after it"],
)
def test_a_profile_is_the_color(chunks: list[bytes]) -> None:
    color = read(build_webp(*chunks)).color
    assert getattr(color, "data", None) == PROFILE


@pytest.mark.parametrize(
    "chunks",
    [
        [build_header(SIZE), build_chunk(b"ICCP", PROFILE), encode_pixels(PICTURE)],
        [encode_pixels(PICTURE), build_chunk(b"ICCP", PROFILE)],
        [
            build_header(SIZE, ICC | ANIMATION),
            build_chunk(b"ICCP", PROFILE),
            build_chunk(b"ANIM", bytes(6)),
            build_frame(WebpFrame(PICTURE)),
        ],
    ],
    ids=["its flag is not set", "without flags", "of an animation"],
)
def test_a_profile_that_browsers_ignore(chunks: list[bytes]) -> None:
    assert read(build_webp(*chunks)).color is None


def test_transparency_that_a_still_header_denies_brightens_the_colors() -> None:
    picture = fade(BLANK)
    expected = np.asarray(BLANK) * 255.0 / np.maximum(np.asarray(picture)[..., 3:], 1)
    painted = show(build_webp(build_header(SIZE), encode_pixels(picture)))
    assert np.abs(painted - np.minimum(expected, 255)).max() <= 1


def test_what_follows_the_file_or_is_unknown_is_passed_over() -> None:
    data = build_webp(build_header(SIZE), build_chunk(b"ABCD", b"odd"), encode_pixels(PICTURE))
    assert (show(data + b"garbage") == np.asarray(PICTURE)).all()


# Animations


@pytest.mark.parametrize("flags", [0, ALPHA])
@pytest.mark.parametrize("more", [[], [WebpFrame(PICTURE)]])
def test_what_the_first_frame_does_not_cover_is_white(flags: int, more: list[WebpFrame]) -> None:
    data = build_animation(SIZE, [WebpFrame(PART, (8, 4)), *more], flags=flags, background=RED)
    assert (show(data) == place((8, 4))).all()


def test_the_first_frame_that_shows_something_is_judged() -> None:
    frames = [WebpFrame(BLANK), WebpFrame(BLANK), WebpFrame(PART, (8, 4)), WebpFrame(PICTURE)]
    frame = read(build_animation(SIZE, frames))
    expected = np.array(BLANK)
    expected[4:12, 8:24] = np.asarray(PART)
    assert (frame.frame, frame.frames, frame.repaired) == (2, 4, False)
    assert (np.asarray(render(frame)) == expected).all()


@pytest.mark.parametrize("background", [0, RED])
def test_a_frame_that_is_cleared_leaves_white(background: int) -> None:
    frames = [WebpFrame(BLANK, clears=True), WebpFrame(PART, (8, 4))]
    assert (show(build_animation(SIZE, frames, background=background)) == place((8, 4))).all()


@pytest.mark.parametrize("blends", [True, False])
def test_transparent_frames_blend_or_replace(blends: bool) -> None:
    picture = fade(PICTURE)
    painted = show(build_animation(SIZE, [WebpFrame(BLANK), WebpFrame(picture, blends=blends)], flags=ALPHA))
    alpha = np.asarray(picture)[..., 3:] / 255
    ground = np.asarray(BLANK) if blends else 255.0
    assert np.abs(painted - (np.asarray(PICTURE) * alpha + ground * (1 - alpha))).max() <= 2


def test_transparency_that_the_header_of_an_animation_denies_adds_white() -> None:
    picture = fade(PICTURE)
    painted = show(build_animation(SIZE, [WebpFrame(picture)]))
    expected = np.asarray(PICTURE).astype(int) + 255 - np.asarray(picture)[..., 3:]
    assert np.abs(painted - np.minimum(expected, 255)).max() <= 1


def test_a_later_frame_that_is_broken_is_not_shown() -> None:
    whole = build_frame(WebpFrame(PICTURE))
    place, picture = whole[8:24], whole[32 : len(whole) // 2]
    broken = build_chunk(b"ANMF", place + build_chunk(b"VP8L", picture))
    start = build_chunk(b"ANIM", bytes(6)) + build_frame(WebpFrame(BLANK))
    frame = read(build_webp(build_header(SIZE, ANIMATION), start, broken))
    assert (frame.frame, frame.frames) == (0, 2)
    assert (np.asarray(render(frame)) == np.asarray(BLANK)).all()


# Broken files


def cut_picture(picture: Image.Image, part: float, *, lossless: bool) -> bytes:
    """Build a whole file around the first part of a picture."""
    content = encode_pixels(picture, lossless=lossless)
    chunks = [
        build_chunk(kind, data[: int(len(data) * part)] if kind.startswith(b"VP8") else data)
        for kind, data in split_chunks(build_webp(content))
    ]
    return build_webp(*([build_header(picture.size, ALPHA)] if picture.mode == "RGBA" else []), *chunks)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("part", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("transparent", [False, True])
def test_of_a_broken_picture_the_rows_that_came_are_painted(lossless: bool, part: float, transparent: bool) -> None:
    picture = build_noise(100, 160).filter(ImageFilter.GaussianBlur(2))
    if transparent:
        picture = fade(picture)
    data = cut_picture(picture, part, lossless=lossless)
    with pytest.raises(OSError, match="read next frame"):
        Image.open(io.BytesIO(data)).load()
    frame = read(data)
    painted = np.asarray(render(frame)).astype(int)
    whole = show(cut_picture(picture, 1, lossless=lossless)).astype(int)
    came = int(np.flatnonzero((painted != 255).any(axis=(1, 2)))[-1]) + 1
    assert frame.repaired
    assert came % 16 == (0 if lossless else 7)
    assert part - 0.3 < came / picture.height < part + 0.1
    assert (painted[:came] == whole[:came]).all()


def test_the_last_band_of_a_lossless_picture_is_white_if_only_bits_are_missing_that_change_no_pixel() -> None:
    picture = build_noise(100, 160, seed=10).filter(ImageFilter.GaussianBlur(2))
    ((kind, content),) = split_chunks(build_webp(encode_pixels(picture)))
    data = build_webp(build_chunk(kind, content[:-1]))
    with pytest.raises(OSError, match="read next frame"):
        Image.open(io.BytesIO(data)).load()
    painted = show(data)
    assert (painted[:144] == np.asarray(picture)[:144]).all()
    assert (painted[144:] == 255).all()


@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_file_that_is_cut_short_is_not_shown(part: float, lossless: bool) -> None:
    data = build_webp(encode_pixels(PICTURE, lossless=lossless))
    with pytest.raises(ImageUndecodable):
        read(data[: int(len(data) * part)])


def set_size(data: bytes, more: int) -> bytes:
    """Return the file with another size in its head."""
    return data[:4] + struct.pack("<I", len(data) - 8 + more) + data[8:]


STILL = build_webp(encode_pixels(PICTURE))


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x04\0\0\0WEBP",
        set_size(STILL, 100),
        set_size(STILL, -10),
        build_webp(build_chunk(b"ABCD", b""), encode_pixels(PICTURE)),
        build_webp(build_header((60, 40)), encode_pixels(PICTURE)),
        build_webp(build_header((40, 30)), encode_pixels(PICTURE)),
        build_webp(build_header(SIZE, ANIMATION), encode_pixels(PICTURE)),
        build_webp(build_header(SIZE), build_chunk(b"ANIM", bytes(6)), build_frame(WebpFrame(PICTURE))),
        build_animation(SIZE, []),
        build_animation(SIZE, [WebpFrame(PICTURE, (8, 4))]),
        build_webp(build_header(SIZE)),
        cut_picture(PICTURE, 0.2, lossless=True),
    ],
)
def test_what_browsers_do_not_paint(data: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        read(data)


def test_a_large_canvas_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(ImageTooLarge):
        read(build_animation((16_000, 16_000), [WebpFrame(PICTURE)]))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 2000), st.integers(1, 255), min_size=1, max_size=4), st.booleans())
def test_broken_bytes_raise_nothing_but_our_errors(flips: dict[int, int], animated: bool) -> None:
    frames = [WebpFrame(BLANK), WebpFrame(PICTURE, lossless=False)]
    data = bytearray(build_animation(SIZE, frames) if animated else build_webp(encode_pixels(PICTURE, lossless=False)))
    for at, flip in flips.items():
        data[at % len(data)] ^= flip
    try:
        frame = read(bytes(data))
    except (ImageUndecodable, ImageTooLarge):
        return
    assert frame.pixels.mode in ("RGB", "RGBA")
