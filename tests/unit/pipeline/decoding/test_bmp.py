import numpy as np
import pytest

from pipeline.color.icc import IccProfile
from pipeline.decoding.bmp import read_bmp
from pipeline.decoding.frame import Frame
from pipeline.decoding.pillow import limit_pillow
from pipeline.errors import ImageTooLarge, ImageUndecodable
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.bmp import (
    ALPHA_BIT_FIELDS,
    BIT_FIELDS,
    COLORS,
    RUNS_8,
    build_file,
    build_header,
    build_rows,
)

WIDTH, HEIGHT = 13, 7
MASKS = (0xFF0000, 0x00FF00, 0x0000FF, 0xFF000000)
NOISE = build_noise(WIDTH, HEIGHT)


def read(data: bytes, *, max_pixels: int = 10_000) -> Frame:
    with limit_pillow(max_pixels):
        return read_bmp(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_files_of_pillow_keep_every_pixel(mode: str) -> None:
    image = NOISE.convert(mode)
    frame = read(encode_image(image, "BMP"))
    assert (np.asarray(frame.pixels) == np.asarray(image.convert("RGB"))).all()
    assert (frame.color, frame.orientation, frame.frames, frame.repaired) == (None, 1, 1, False)


@pytest.mark.parametrize(("version", "compression"), [(56, BIT_FIELDS), (124, BIT_FIELDS), (40, ALPHA_BIT_FIELDS)])
@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_that_a_mask_names_is_obeyed(alpha: int, version: int, compression: int) -> None:
    image = NOISE.convert("RGBA")
    image.putalpha(alpha)
    header = build_header(WIDTH, HEIGHT, version=version, bits=32, compression=compression, masks=MASKS)
    assert (np.asarray(read(build_file(header, build_rows(image, order="BGRA"))).pixels) == np.asarray(image)).all()


def test_a_fourth_byte_that_no_mask_names_is_no_alpha() -> None:
    frame = read(build_file(build_header(WIDTH, HEIGHT, bits=32), build_rows(NOISE, order="BGRX")))
    assert (frame.pixels.mode, frame.repaired) == ("RGB", False)


@pytest.mark.parametrize("top_down", [False, True])
def test_rows_that_are_not_there_are_transparent(top_down: bool) -> None:
    header = build_header(WIDTH, -HEIGHT if top_down else HEIGHT)
    frame = read(build_file(header, build_rows(NOISE, top_down=top_down))[: -2 * 40])
    alpha, colors = np.asarray(frame.pixels)[:, :, 3], np.asarray(frame.pixels)[:, :, :3]
    there = slice(0, HEIGHT - 2) if top_down else slice(2, HEIGHT)
    assert frame.repaired
    assert (colors[there] == np.asarray(NOISE)[there]).all()
    assert (alpha[there] == 255).all()
    assert alpha.sum() == 255 * WIDTH * (HEIGHT - 2)


def test_runs_that_end_early_are_repaired() -> None:
    header = build_header(WIDTH, HEIGHT, bits=8, compression=RUNS_8)
    frame = read(build_file(header, b"\x0d\7\0\0\x0d\7", palette=COLORS))
    assert frame.repaired
    assert np.asarray(frame.pixels)[:, :, 3].sum() == 255 * WIDTH


PIXELS = build_rows(NOISE)


def test_the_profile_of_the_file() -> None:
    header = build_header(WIDTH, HEIGHT, version=124, profile=(124 + len(PIXELS), 5))
    assert read(build_file(header, PIXELS + b"color")).color == IccProfile(b"color")


def test_a_profile_that_is_cut_short_is_undecodable() -> None:
    header = build_header(WIDTH, HEIGHT, version=124, profile=(124 + len(PIXELS), 6))
    with pytest.raises(ImageUndecodable, match="color profile"):
        read(build_file(header, PIXELS + b"color"))


@pytest.mark.parametrize("compression", [0, RUNS_8])
def test_pixels_are_counted_before_memory_is_taken(compression: int) -> None:
    header = build_header(60_000, 60_000, bits=8, compression=compression)
    with pytest.raises(ImageTooLarge, match="limit of 10000 pixels"):
        read(build_file(header, b"\1\1" * 10, palette=COLORS))
