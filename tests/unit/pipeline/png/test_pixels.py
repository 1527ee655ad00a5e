import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageUndecodable
from pipeline.png.file import read_file
from pipeline.png.pixels import Unpacked, unpack_pixels
from tests.support.builders import build_noise
from tests.support.image_files.png import (
    ADAM7,
    END,
    GRAY,
    GRAY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    build_chunk,
    build_file,
    build_header,
    build_rows,
)

COLORS = bytes([200, 40, 40, 40, 180, 60, 50, 70, 200])
MARK = 163


def unpack(data: bytes) -> Unpacked:
    file = read_file(data)
    return unpack_pixels(file, file.frames[0])


def read_levels(data: bytes) -> list[Any]:
    """Return the samples of the first row."""
    unpacked = unpack(data)
    assert not unpacked.is_broken
    return [unpacked.pixels.getpixel((x, 0)) for x in range(unpacked.pixels.width)]


def build_packed_file(depth: int, color_type: int, row: bytes, width: int, *chunks: bytes) -> bytes:
    header = build_header(width, 1, depth=depth, color_type=color_type)
    return SIGNATURE + header + b"".join(chunks) + build_chunk(b"IDAT", zlib.compress(b"\0" + row)) + END


def build_transparency(*samples: int) -> bytes:
    return build_chunk(b"tRNS", struct.pack(f">{len(samples)}H", *samples))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (5, 1), (1, 5), (31, 17)])
def test_samples_of_8_bits_are_as_in_the_file(mode: str, is_interlaced: bool, size: tuple[int, int]) -> None:
    pixels = build_noise(*size, mode=mode)
    types = {"L": GRAY, "LA": GRAY_ALPHA, "RGB": RGB, "RGBA": RGB_ALPHA}
    header = build_header(*size, color_type=types[mode], is_interlaced=is_interlaced)
    data = zlib.compress(build_rows(pixels, is_interlaced=is_interlaced))
    unpacked = unpack(SIGNATURE + header + build_chunk(b"IDAT", data) + END)
    assert (unpacked.pixels.mode, unpacked.is_broken) == (mode, False)
    assert unpacked.pixels.tobytes() == pixels.tobytes()


@pytest.mark.parametrize(
    ("depth", "color_type", "row", "expected"),
    [
        (1, GRAY, b"\x50", [0, 255, 0, 255]),
        (2, GRAY, b"\x1b", [0, 85, 170, 255]),
        (4, GRAY, b"\x0f\x18", [0, 255, 17, 136]),
        (16, GRAY, b"\0\0\x80\xff\xff\x00\xff\xff", [0, 128, 255, 255]),
        (16, GRAY_ALPHA, b"\x10\x00\x80\x01" * 4, [(16, 128)] * 4),
        (16, RGB, b"\x01\xff\x02\xff\x03\x00" * 4, [(1, 2, 3)] * 4),
        (16, RGB_ALPHA, b"\x01\xff\x02\xff\x03\x00\x04\x00" * 4, [(1, 2, 3, 4)] * 4),
    ],
)
def test_other_depths_are_brought_to_8_bits(depth: int, color_type: int, row: bytes, expected: list[Any]) -> None:
    assert read_levels(build_packed_file(depth, color_type, row, 4)) == expected


@pytest.mark.parametrize(
    ("depth", "row", "level", "expected"),
    [
        (1, b"\x50", 1, [(0, 255), (255, 0), (0, 255), (255, 0)]),
        (2, b"\x1b", 2, [(0, 255), (85, 255), (170, 0), (255, 255)]),
        (4, b"\x0f\x18", 8, [(0, 255), (255, 255), (17, 255), (136, 0)]),
        (4, b"\x0f\x18", 17, [(0, 255), (255, 255), (17, 255), (136, 255)]),
        (8, b"\x0f\x18\x19\x20", 0x19, [(0x0F, 255), (0x18, 255), (0x19, 0), (0x20, 255)]),
        (8, b"\x0f\x18\x19\x20", 0x1219, [(0x0F, 255), (0x18, 255), (0x19, 0), (0x20, 255)]),
        (16, b"\x12\x34\x12\x35\x13\x34\x12\x34", 0x1234, [(0x12, 0), (0x12, 255), (0x13, 255), (0x12, 0)]),
    ],
)
def test_a_transparent_level_of_gray(depth: int, row: bytes, level: int, expected: list[Any]) -> None:
    assert read_levels(build_packed_file(depth, GRAY, row, 4, build_transparency(level))) == expected


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_color(depth: int) -> None:
    samples = [(1, 2, 3), (1, 2, 4)] if depth == 8 else [(0x101, 0x202, 0x303), (0x101, 0x202, 0x304)]
    row = b"".join(struct.pack(">3B" if depth == 8 else ">3H", *color) for color in samples)
    levels = read_levels(build_packed_file(depth, RGB, row, 2, build_transparency(*samples[0])))
    assert [alpha for *_, alpha in levels] == [0, 255]


@pytest.mark.parametrize(("depth", "row"), [(1, b"\x40"), (2, b"\x18"), (4, b"\x01\x20"), (8, b"\0\1\2\0")])
def test_a_palette(depth: int, row: bytes) -> None:
    red, green, blue = (200, 40, 40), (40, 180, 60), (50, 70, 200)
    expected = [red, green, red, red] if depth == 1 else [red, green, blue, red]
    palette = build_chunk(b"PLTE", COLORS)
    assert read_levels(build_packed_file(depth, PALETTE, row, 4, palette)) == expected
    alpha = build_chunk(b"tRNS", b"\x40")
    levels = read_levels(build_packed_file(depth, PALETTE, row, 4, palette, alpha))
    assert levels == [(*color, 0x40 if color == red else 255) for color in expected]


def test_colors_beyond_the_palette_are_its_last_one() -> None:
    chunks = build_chunk(b"PLTE", COLORS), build_chunk(b"tRNS", b"\xff\xff\x10\x20\x30")
    levels = read_levels(build_packed_file(8, PALETTE, b"\2\3\xff\0", 4, *chunks))
    assert levels == [(50, 70, 200, 0x10)] * 3 + [(200, 40, 40, 255)]


def test_colors_without_a_palette_cannot_be_shown() -> None:
    with pytest.raises(ImageUndecodable, match="no palette"):
        unpack(build_packed_file(8, PALETTE, b"\2\3", 2))


# Broken rows

NOISE = build_noise(20, 12)
ROWS = build_rows(NOISE)


def test_rows_that_did_not_come_are_transparent() -> None:
    unpacked = unpack(build_file(NOISE, data=zlib.compress(ROWS[: len(ROWS) // 2])))
    shown, rest = (unpacked.pixels.crop((0, top, 20, top + 6)) for top in (0, 6))
    assert shown.convert("RGB").tobytes() == NOISE.crop((0, 0, 20, 6)).tobytes()
    assert (shown.getextrema()[3], rest.getextrema()) == ((255, 255), ((0, 0),) * 4)
    assert unpacked.is_broken


@pytest.mark.parametrize("mode", ["L", "LA", "P"])
def test_missing_rows_are_transparent_in_each_mode(mode: str) -> None:
    pixels = NOISE.convert("L") if mode == "P" else NOISE.convert(mode)
    rows = build_rows(pixels)
    header = build_header(20, 12, color_type={"L": GRAY, "LA": GRAY_ALPHA, "P": PALETTE}[mode])
    data = build_chunk(b"IDAT", zlib.compress(rows[: len(rows) // 2]))
    unpacked = unpack(SIGNATURE + header + build_chunk(b"PLTE", COLORS) + data + END)
    alpha = np.asarray(unpacked.pixels.getchannel("A"))
    assert (alpha[:6] == 255).all()
    assert not alpha[6:].any()


def test_a_wrong_checksum_of_the_stream_loses_no_row() -> None:
    unpacked = unpack(build_file(NOISE, data=zlib.compress(ROWS)[:-1] + b"x"))
    assert (unpacked.pixels.tobytes(), unpacked.is_broken) == (NOISE.tobytes(), True)


@pytest.mark.parametrize("data", [b"", b"broken", zlib.compress(b"")])
def test_pixels_without_a_row_are_undecodable(data: bytes) -> None:
    with pytest.raises(ImageUndecodable, match="none of its rows"):
        unpack(build_file(NOISE, data=data))


def test_a_last_row_like_the_mark_is_sound() -> None:
    pixels = Image.new("RGB", (5, 4), (MARK,) * 3)
    unpacked = unpack(build_file(pixels))
    assert (unpacked.pixels.tobytes(), unpacked.is_broken) == (pixels.tobytes(), False)


@pytest.mark.parametrize("passes", range(1, 7))
def test_pixels_of_early_passes_fill_their_blocks(passes: int) -> None:
    pixels = build_noise(16, 16, mode="L")
    levels = np.asarray(pixels)
    parts = [levels[top::step_y, left::step_x] for left, top, step_x, step_y in ADAM7[:passes]]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    header = build_header(16, 16, color_type=GRAY, is_interlaced=True)
    unpacked = unpack(SIGNATURE + header + build_chunk(b"IDAT", zlib.compress(rows)) + END)
    assert unpacked.pixels.getextrema()[1] == (255, 255)
    shown = np.asarray(unpacked.pixels.getchannel("L"))
    for y, x in np.ndindex(16, 16):
        block_y, block_x = [(8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)][passes - 1]
        assert shown[y, x] == levels[y - y % block_y, x - x % block_x]
