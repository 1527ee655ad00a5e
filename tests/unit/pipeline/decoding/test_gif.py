from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.decoding.frame import Frame
from pipeline.decoding.gif import read_gif
from pipeline.decoding.pillow import limit_pillow
from pipeline.decoding.render import render
from pipeline.errors import ImageTooLarge, ImageUndecodable
from pipeline.gif.blocks import MOST_COUNTED
from tests.support.image_files.gif import (
    COLORS,
    GifFrame,
    build_gif,
    fill,
    pack_bits,
    pack_codes,
    pack_extension,
    tile,
)

CAP = 1_000_000
SIZE = WIDTH, HEIGHT = 40, 24
PICTURE = GifFrame(tile(WIDTH, HEIGHT))
PART = GifFrame(tile(16, 8), at=(8, 4))
WHITE = (255, 255, 255)


def read(data: bytes) -> Frame:
    with limit_pillow(CAP):
        return read_gif(data)


def show(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels that are judged, over white."""
    return np.asarray(render(read(data)))


def color(indices: NDArray[np.uint8], colors: object = COLORS) -> NDArray[np.uint8]:
    return np.asarray(colors, np.uint8)[indices]


def place(part: NDArray[np.uint8], size: tuple[int, int] = SIZE, at: tuple[int, int] = PART.at) -> NDArray[np.uint8]:
    """Return white of this size with `part` in its place."""
    painted = np.full((size[1], size[0], 3), 255, np.uint8)
    painted[at[1] : at[1] + part.shape[0], at[0] : at[0] + part.shape[1]] = part
    return painted


# Colors


@pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_picture_keeps_every_pixel(version: bytes, interlaced: bool) -> None:
    data = build_gif(SIZE, [replace(PICTURE, interlaced=interlaced)], version=version)
    assert (show(data) == color(PICTURE.indices)).all()
    frame = read(data)
    assert (frame.pixels.mode, frame.frames, frame.frame, frame.repaired) == ("RGB", 1, 0, False)


@pytest.mark.parametrize("height", range(1, 12))
def test_an_interlaced_picture_of_few_rows(height: int) -> None:
    picture = GifFrame(tile(5, height), interlaced=True)
    assert (show(build_gif((5, height), [picture])) == color(picture.indices)).all()


@pytest.mark.parametrize("palette", [None, COLORS])
def test_the_palette_of_a_frame_comes_before_that_of_the_file(palette: list[tuple[int, int, int]] | None) -> None:
    data = build_gif(SIZE, [replace(PICTURE, palette=COLORS[::-1])], palette=palette)
    assert (show(data) == color(PICTURE.indices, COLORS[::-1])).all()


@pytest.mark.parametrize(
    ("palette", "colors"), [(None, [(0, 0, 0)] * 4), (COLORS[:2], [*COLORS[:2], (0, 0, 0), (0, 0, 0)])]
)
def test_a_color_that_no_palette_has_is_black(
    palette: list[tuple[int, int, int]] | None, colors: list[tuple[int, int, int]]
) -> None:
    assert (show(build_gif(SIZE, [PICTURE], palette=palette)) == color(PICTURE.indices, colors)).all()


@pytest.mark.parametrize("palette", [COLORS, COLORS[:2]])
def test_a_transparent_index_is_white_also_beyond_the_palette(palette: list[tuple[int, int, int]]) -> None:
    data = build_gif(SIZE, [replace(PICTURE, transparent=3)], palette=palette)
    colors = [*palette, (0, 0, 0), (0, 0, 0)][:3]
    assert (show(data) == color(PICTURE.indices, [*colors, WHITE])).all()


def test_256_gray_levels() -> None:
    picture = GifFrame(tile(WIDTH, HEIGHT, 256), bits=8)
    data = build_gif(SIZE, [picture], palette=[(level, level, level) for level in range(256)])
    assert (show(data) == picture.indices[..., np.newaxis]).all()


# The canvas


@pytest.mark.parametrize("background", [0, 1, 200])
@pytest.mark.parametrize("transparent", [None, 0, 1])
def test_what_the_first_frame_does_not_cover_is_white(background: int, transparent: int | None) -> None:
    data = build_gif(SIZE, [replace(PART, transparent=transparent)], background=background)
    colors = [WHITE if index == transparent else COLORS[index] for index in range(4)]
    assert (show(data) == place(color(PART.indices, colors))).all()


@pytest.mark.parametrize("size", [(0, 0), (20, 4), (10, 40)])
def test_the_first_frame_enlarges_the_canvas(size: tuple[int, int]) -> None:
    painted = show(build_gif(size, [PART]))
    assert (painted == place(color(PART.indices), (24, max(size[1], 12)))).all()


def test_a_later_frame_does_not_enlarge_the_canvas() -> None:
    blank, outside = GifFrame(fill(WIDTH, HEIGHT, 0)), replace(PICTURE, at=(10, 4))
    painted = show(build_gif(SIZE, [blank, outside]))
    assert painted.shape == (HEIGHT, WIDTH, 3)
    assert (painted[4:, 10:] == color(PICTURE.indices)[:-4, :-10]).all()


def test_a_frame_without_pixels_shows_nothing() -> None:
    empty = GifFrame(fill(0, 5, 0))
    assert (show(build_gif(SIZE, [empty])) == 255).all()
    assert read(build_gif(SIZE, [empty, PICTURE])).frame == 1


# Animations


def test_the_first_frame_that_shows_something_is_judged() -> None:
    blank, black = GifFrame(fill(WIDTH, HEIGHT, 0)), GifFrame(fill(4, 4, 0))
    frame = read(build_gif(SIZE, [blank, black, PICTURE, blank]))
    assert (frame.frame, frame.frames, frame.repaired) == (2, 4, False)
    assert (np.asarray(render(frame)) == color(PICTURE.indices)).all()


@pytest.mark.parametrize(
    ("disposal", "ground"), [(0, COLORS[0]), (1, COLORS[0]), (2, WHITE), (3, WHITE), (4, WHITE), (5, COLORS[0])]
)
def test_what_is_left_of_the_frame_before(disposal: int, ground: tuple[int, int, int]) -> None:
    blank = GifFrame(fill(WIDTH, HEIGHT, 0), disposal=disposal)
    painted = show(build_gif(SIZE, [blank, replace(PART, transparent=2)]))
    expected = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
    expected[4:12, 8:24] = color(PART.indices, [COLORS[0], COLORS[1], ground, COLORS[3]])
    assert (painted == expected).all()


@pytest.mark.parametrize(("disposal", "ground"), [(1, COLORS[0]), (2, WHITE), (3, COLORS[0])])
def test_only_the_place_of_a_frame_is_disposed_of(disposal: int, ground: tuple[int, int, int]) -> None:
    blank, corner = GifFrame(fill(WIDTH, HEIGHT, 0)), GifFrame(fill(4, 4, 0), disposal=disposal)
    painted = show(build_gif(SIZE, [blank, corner, PART]))
    assert (painted[:4, :4] == ground).all()
    assert (painted[:4, 4:] == COLORS[0]).all()


def test_the_control_of_a_frame_is_the_last_before_it_and_holds_for_it_alone() -> None:
    transparent, opaque = b"!\xf9\x04\x01\0\0\0\0", b"!\xf9\x04\0\0\0\0\0"
    assert (show(build_gif(SIZE, [transparent, opaque, PICTURE])) == color(PICTURE.indices)).all()
    blank = GifFrame(fill(WIDTH, HEIGHT, 0))
    assert (show(build_gif(SIZE, [transparent, blank, PICTURE])) == color(PICTURE.indices)).all()


def test_frames_are_counted_without_being_read() -> None:
    broken = replace(PICTURE, codes=b"\xff" * 300)
    frame = read(build_gif(SIZE, [PICTURE, *[broken] * 1000]))
    assert (frame.frames, frame.frame) == (1001, 0)


def test_counting_is_bounded() -> None:
    dot = b",\0\0\0\0\1\0\1\0\0\2\0"
    frame = read(build_gif(SIZE, [PICTURE, dot * (MOST_COUNTED + 1)]))
    assert (frame.frames, frame.repaired) == (MOST_COUNTED, False)


def test_a_later_frame_that_is_broken_is_not_shown() -> None:
    blank, broken = (
        GifFrame(fill(WIDTH, HEIGHT, 0)),
        replace(PICTURE, codes=pack_codes(PICTURE.indices.ravel()[:99], 2)),
    )
    frame = read(build_gif(SIZE, [blank, broken, PICTURE]))
    assert (frame.frame, frame.frames) == (0, 3)


# Broken files


def test_of_a_cut_file_the_rows_that_came_are_painted() -> None:
    data = build_gif(SIZE, [PICTURE])
    frame = read(data[: len(data) // 2])
    painted, expected = np.asarray(render(frame)).reshape(-1, 3), color(PICTURE.indices).reshape(-1, 3)
    came = int((painted != WHITE).any(axis=1).sum())
    assert frame.repaired
    assert 0 < came < len(painted)
    assert (painted[:came] == expected[:came]).all()


@settings(max_examples=50, deadline=None)
@given(part=st.floats(0, 1), interlaced=st.booleans(), transparent=st.sampled_from([None, 1]))
def test_a_file_cut_anywhere_shows_nothing_that_is_not_in_it(
    part: float, interlaced: bool, transparent: int | None
) -> None:
    data = build_gif(SIZE, [replace(PART, interlaced=interlaced, transparent=transparent)])
    try:
        frame = read(data[: int(part * len(data))])
    except ImageUndecodable:
        return
    painted, whole = np.asarray(render(frame)), show(data)
    if interlaced and transparent is None:
        assert {tuple(pixel) for pixel in painted.reshape(-1, 3)} <= {WHITE, *COLORS}
    else:
        assert ((painted == whole) | (painted == 255)).all()


def test_rows_of_early_passes_stand_for_those_that_did_not_come() -> None:
    picture = GifFrame(tile(7, 16), interlaced=True)
    rows = np.concatenate([picture.indices[0::8], picture.indices[4::8], picture.indices[2::4]])
    cut = pack_codes([*rows[:5].ravel(), *rows[5][:3]], 2)
    painted = show(build_gif((7, 16), [replace(picture, codes=cut)]))
    source = [0, 0, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]
    expected = color(picture.indices[source])
    expected[6, :3] = color(picture.indices[6, :3])
    assert (painted == expected).all()
    frame = read(build_gif((7, 16), [replace(picture, codes=cut, transparent=0)]))
    assert (np.asarray(render(frame))[1] == 255).all()


@pytest.mark.parametrize(
    ("codes", "painted"),
    [
        (pack_codes(PICTURE.indices.ravel()[:407], 2), 407),
        (pack_bits([(4, 3), (1, 3), (4, 3), (2, 3), (7, 3), (7, 3)]), 2),
    ],
    ids=["they end early", "one has no meaning"],
)
def test_codes_that_break_off_leave_the_rest_white(codes: bytes, painted: int) -> None:
    frame = read(build_gif(SIZE, [replace(PICTURE, codes=codes)]))
    assert frame.repaired
    assert int((np.asarray(render(frame)) != 255).any(axis=2).sum()) == painted


def test_codes_that_go_on_after_the_last_pixel_are_ignored() -> None:
    codes = pack_codes([*PICTURE.indices.ravel(), *PICTURE.indices.ravel()], 2)
    assert (show(build_gif(SIZE, [replace(PICTURE, codes=codes)])) == color(PICTURE.indices)).all()


@pytest.mark.parametrize(
    ("trailer", "repaired"),
    [(b";", False), (b";after it", False), (b"", True), (b"junk", True), (b"!\xff\x0bNET", True)],
)
def test_a_file_without_a_trailer_is_repaired(trailer: bytes, repaired: bool) -> None:
    frame = read(build_gif(SIZE, [PICTURE], trailer=trailer))
    assert (np.asarray(render(frame)) == color(PICTURE.indices)).all()
    assert (frame.repaired, frame.frames) == (repaired, 1)


def test_extensions_are_passed_over() -> None:
    extensions = [pack_extension(label, b"content" * 100) for label in (0x01, 0x99, 0xFE, 0xFF)]
    profile = pack_extension(0xFF, b"ICCRGBG1012" + b"a profile that browsers ignore")
    assert (show(build_gif(SIZE, [*extensions, profile, PICTURE])) == color(PICTURE.indices)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a",
        build_gif(SIZE, [PICTURE], version=b"GIF88a"),
        build_gif(SIZE, [PICTURE])[:20],
        build_gif(SIZE, [PICTURE])[:30],
        build_gif(SIZE, []),
        build_gif(SIZE, [b"\0", PICTURE]),
        build_gif((0, 0), [GifFrame(fill(0, 0, 0))]),
        build_gif(SIZE, [b"!\xf9\x03\0\0\0\0", PICTURE]),
        build_gif(SIZE, [b"!\xf9\x04\0\0\0\0\x01A\0", PICTURE]),
        build_gif(SIZE, [replace(PICTURE, codes=b"")]),
        build_gif(SIZE, [replace(PICTURE, codes=b"\xff\xff")]),
        build_gif(SIZE, [replace(PICTURE, bits=9, codes=b"\0\0\0"), PICTURE]),
    ],
)
def test_of_what_browsers_paint_nothing_there_is_nothing_to_judge(data: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        read(data)


@pytest.mark.parametrize("size", [(65535, 65535), (1001, 1000)])
def test_a_large_canvas_is_refused_before_memory_is_taken(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge, match="the limit of 1000000 pixels"):
        read(build_gif(size, [PART]))


def test_a_later_frame_that_claims_to_be_huge_is_not_shown() -> None:
    blank = build_gif(SIZE, [GifFrame(fill(WIDTH, HEIGHT, 0))], trailer=b"")
    frame = read(blank + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;")
    assert (frame.frame, frame.frames, frame.pixels.size) == (0, 2, SIZE)
