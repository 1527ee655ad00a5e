"""Animations: what browsers compose of the frames of a PNG, and the frame that is judged."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.decoding.decode import decode
from pipeline.decoding.png import read_png
from tests.support.builders import build_noise
from tests.support.image_files.png import (
    build_animation_control,
    build_chunk,
    build_file,
    build_frame_control,
    build_frame_data,
    build_rows,
)

CAP = 1_000_000
SIZE = (16, 12)
NOISE = build_noise(*SIZE)
SECOND = build_noise(*SIZE, seed=1)
YELLOW = Image.new("RGB", SIZE, (250, 220, 20))


def animate(*after: bytes, default: Image.Image = YELLOW, before: tuple[bytes, ...] = (), frames: int = 2) -> bytes:
    return build_file(default, build_animation_control(frames), *before, after=b"".join(after))


SHOWN = (build_frame_control(0, SIZE), build_frame_data(1, NOISE))
NEXT = (build_frame_control(2, SIZE), build_frame_data(3, SECOND))


def test_a_default_image_that_is_no_frame_is_never_shown() -> None:
    image = decode(animate(*SHOWN, *NEXT, default=SECOND), max_pixels=CAP)
    assert (image.frames, image.frame, image.repaired) == (2, 0, False)
    assert image.pixels.tobytes() == NOISE.tobytes()


def test_the_first_frame_that_is_not_flat_is_judged() -> None:
    flat = (build_frame_control(0, SIZE), build_frame_data(1, YELLOW))
    image = decode(animate(*flat, *NEXT, default=NOISE), max_pixels=CAP)
    assert (image.frames, image.frame) == (2, 1)
    assert image.pixels.tobytes() == SECOND.tobytes()


@pytest.mark.parametrize("frames", [1, 2])
def test_an_animation_without_a_frame_is_white(frames: int) -> None:
    image = decode(animate(default=NOISE, frames=frames), max_pixels=CAP)
    assert (image.size_px, image.pixels.getextrema(), image.repaired) == (SIZE, ((255, 255),) * 3, True)


def test_what_the_first_frame_does_not_cover_is_white() -> None:
    part = NOISE.crop((0, 0, 5, 4))
    data = animate(build_frame_control(0, (5, 4), (3, 2)), build_frame_data(1, part), frames=1)
    shown = np.asarray(decode(data, max_pixels=CAP).pixels)
    assert (shown[2:6, 3:8] == np.asarray(part)).all()
    assert (shown == 255).all(-1).sum() >= SIZE[0] * SIZE[1] - 20


HALF_BLUE = (0, 0, 200, 128)


@pytest.mark.parametrize(
    ("dispose", "blend", "color"),
    [
        (0, 0, (127, 127, 227)),
        (0, 1, (125, 110, 110)),
        (1, 1, (255, 255, 255)),
        (2, 0, (250, 220, 20)),
    ],
)
def test_a_frame_leaves_what_its_operations_say(dispose: int, blend: int, color: tuple[int, int, int]) -> None:
    """Two flat frames, the second with one pixel more, leave their trace in a third, which is judged."""
    data = animate(
        build_frame_control(1, (1, 1), (4, 4), dispose=dispose, blend=blend),
        build_frame_data(2, Image.new("RGBA", (1, 1), HALF_BLUE)),
        build_frame_control(3, (8, 12), (8, 0), blend=1),
        build_frame_data(4, NOISE.crop((0, 0, 8, 12)).convert("RGBA")),
        default=YELLOW.convert("RGBA"),
        before=(build_frame_control(0, SIZE),),
        frames=3,
    )
    image = decode(data, max_pixels=CAP)
    assert (image.frames, image.frame) == (3, 2)
    assert np.abs(np.subtract(image.pixels.getpixel((4, 4)), color)).max() <= 1
    assert image.pixels.getpixel((3, 3)) == (250, 220, 20)


def test_gray_frames_keep_their_channels_for_their_color() -> None:
    gray = [picture.convert("L") for picture in (YELLOW, NOISE)]
    frame = read_png(animate(build_frame_control(0, SIZE), build_frame_data(1, gray[1]), default=gray[0]))
    assert (frame.pixels.mode, frame.pixels.getchannel("L").tobytes()) == ("LA", gray[1].tobytes())


def test_a_broken_frame_is_shown_as_far_as_it_came() -> None:
    rows = build_rows(NOISE)
    data = struct.pack(">I", 1) + zlib.compress(rows[: len(rows) // 2])
    image = decode(animate(build_frame_control(0, SIZE), build_chunk(b"fdAT", data)), max_pixels=CAP)
    shown = np.asarray(image.pixels)
    assert image.repaired
    assert (shown[:6] == np.asarray(NOISE)[:6]).all()
    assert (shown[6:] == 255).all()


def test_a_broken_frame_behind_the_judged_one_is_not_read() -> None:
    broken = build_chunk(b"fdAT", struct.pack(">I", 3) + b"broken")
    image = decode(animate(*SHOWN, build_frame_control(2, SIZE), broken), max_pixels=CAP)
    assert (image.frames, image.frame, image.repaired) == (2, 0, False)
