import struct
import zlib

import pytest
from PIL import Image

from pipeline.errors import ImageTooLarge, ImageUndecodable
from pipeline.png.file import PngFile, read_file
from tests.support.builders import build_noise
from tests.support.image_files.png import (
    END,
    GRAY,
    PALETTE,
    SIGNATURE,
    build_animation_control,
    build_chunk,
    build_file,
    build_frame_control,
    build_frame_data,
    build_header,
    build_rows,
)

SIZE = (12, 8)
PIXELS = build_noise(*SIZE)
SECOND = build_noise(*SIZE, seed=1)
DATA = build_chunk(b"IDAT", zlib.compress(build_rows(PIXELS)))
LINEAR = build_chunk(b"gAMA", struct.pack(">I", 100_000))


def read_data(picture_of: PngFile, number: int = 0) -> bytes:
    return b"".join(picture_of.frames[number].parts)


def pack(pixels: Image.Image) -> bytes:
    return zlib.compress(build_rows(pixels))


def test_a_sound_file() -> None:
    file = read_file(build_file(PIXELS, LINEAR, build_chunk(b"tEXt", b"a\0b")))
    assert (file.header.width, file.header.height, file.header.depth) == (*SIZE, 8)
    assert (file.notes, file.is_broken, file.is_animated) == ({b"gAMA": b"\0\1\x86\xa0"}, False, False)
    assert read_data(file) == pack(PIXELS)


# What stops browsers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIGNATURE,
        b"\x89PNG\n\n\x1a\n" + build_file(PIXELS)[8:],
        SIGNATURE + DATA + END,
        SIGNATURE + build_header(*SIZE),
        SIGNATURE + build_header(*SIZE) + END,
        SIGNATURE + build_chunk(b"tEXt", b"a\0b") + build_header(*SIZE) + DATA + END,
        SIGNATURE + build_chunk(b"IHDR", bytes(14)) + DATA + END,
        SIGNATURE + build_header(*SIZE)[:-1] + b"x" + DATA + END,
        SIGNATURE + build_header(0, 8) + DATA + END,
        SIGNATURE + build_header(*SIZE, depth=4) + DATA + END,
        SIGNATURE + build_header(*SIZE, color_type=5) + DATA + END,
        SIGNATURE + build_chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 2)) + DATA + END,
        SIGNATURE + build_chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 1, 0)) + DATA + END,
        build_file(PIXELS, build_header(*SIZE)),
        build_file(PIXELS, build_chunk(b"ABCD")),
        build_file(PIXELS, build_chunk(b"PLTE", b"rg")),
        build_file(PIXELS, build_chunk(b"PLTE", b"rgb", crc_is_wrong=True)),
        build_file(PIXELS, build_chunk(b"PLTE", b"rgb"), build_chunk(b"PLTE", b"rgb")),
        build_file(PIXELS, build_chunk(b"cICP", b"\1\1\1\1")),
        build_file(PIXELS, build_frame_data(0, SECOND)),
    ],
)
def test_files_that_browsers_do_not_show(data: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        read_file(data)


@pytest.mark.parametrize("size", [(1, 1_000_001), (2**32 - 1, 1)])
def test_sides_that_browsers_do_not_show(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        read_file(SIGNATURE + build_header(*size) + DATA + END)


# What does not


@pytest.mark.parametrize(
    "data",
    [
        build_file(PIXELS, build_chunk(b"tEXt", b"a\0b", crc_is_wrong=True)),
        build_file(PIXELS, build_chunk(b"pHYs")),
        build_file(PIXELS, build_chunk(b"gAMA", b"\0\0\0\0")),
        build_file(PIXELS, build_chunk(b"sRGB", b"\x09")),
        build_file(PIXELS, build_chunk(b"acTL", b"\1")),
        build_file(PIXELS, after=build_chunk(b"tEXt", b"a\0b", crc_is_wrong=True)),
        build_file(PIXELS, after=build_chunk(b"ABCD")),
        build_file(PIXELS, after=b"\1\2\3\4\5\6\7\x08\x09"),
        build_file(PIXELS, after=build_chunk(b"tEXt", b"a\0b") + DATA),
        build_file(PIXELS, end=b""),
        build_file(PIXELS, end=build_chunk(b"IEND", b"x")),
        build_file(PIXELS, end=build_chunk(b"IEND", crc_is_wrong=True)),
        build_file(PIXELS)[:-5],
        build_file(PIXELS) + b"garbage",
        build_file(PIXELS) + build_file(SECOND),
    ],
)
def test_broken_files_that_browsers_show(data: bytes) -> None:
    file = read_file(data)
    assert file.is_broken
    assert read_data(file).startswith(pack(PIXELS))


@pytest.mark.parametrize("text", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("is_behind", [False, True])
def test_a_huge_text_is_no_damage(text: bytes, is_behind: bool) -> None:
    chunk = build_chunk(text, b"a\0\0" + zlib.compress(bytes(5_000_000)))
    assert not read_file(build_file(PIXELS, after=chunk) if is_behind else build_file(PIXELS, chunk)).is_broken


def test_the_first_valid_chunk_of_a_kind_counts() -> None:
    neutral = build_chunk(b"gAMA", struct.pack(">I", 45455))
    assert read_file(build_file(PIXELS, build_chunk(b"gAMA"), LINEAR, neutral)).notes == {b"gAMA": b"\0\1\x86\xa0"}


def test_chunks_behind_the_pixels_state_nothing_of_them() -> None:
    palette = build_chunk(b"PLTE", b"rgb")
    file = read_file(build_file(PIXELS, after=palette + LINEAR + build_chunk(b"eXIf", b"II*\0")))
    assert (file.palette, file.notes) == (None, {})


@pytest.mark.parametrize(
    ("color_type", "content", "is_obeyed"),
    [(GRAY, b"\0\1", True), (GRAY, b"\0", False), (PALETTE, b"\0", False), (4, b"\0\1", False)],
)
def test_transparency_that_does_not_fit_is_ignored(color_type: int, content: bytes, is_obeyed: bool) -> None:
    header = build_header(*SIZE, color_type=color_type)
    file = read_file(SIGNATURE + header + build_chunk(b"tRNS", content) + build_chunk(b"PLTE", b"rgb") + DATA + END)
    assert (b"tRNS" in file.notes) == is_obeyed


@pytest.mark.parametrize("missing", [0, 2, 12])
def test_data_at_the_end_of_the_file_may_go_on(missing: int) -> None:
    data = build_file(PIXELS, end=b"")
    assert read_file(data[: len(data) - missing]).frames[0].ends_with_file
    assert not read_file(build_file(PIXELS)).frames[0].ends_with_file


def test_data_ends_with_its_first_wrong_checksum() -> None:
    broken = build_chunk(b"IDAT", b"first", crc_is_wrong=True)
    file = read_file(SIGNATURE + build_header(*SIZE) + broken + DATA + END)
    assert (read_data(file), file.is_broken, file.frames[0].ends_with_file) == (b"first", True, False)


# Animations


def animate(*after: bytes, before: tuple[bytes, ...] = (), frames: int = 2) -> PngFile:
    return read_file(build_file(PIXELS, build_animation_control(frames), *before, after=b"".join(after)))


FIRST = build_frame_control(0, SIZE)
HIDDEN = (build_frame_control(0, SIZE), build_frame_data(1, SECOND))
NEXT = (build_frame_control(2, (5, 4), (7, 4), dispose=1, blend=1), build_frame_data(3, SECOND.crop((0, 0, 5, 4))))


def test_a_default_image_without_control_is_no_frame() -> None:
    file = animate(*HIDDEN, *NEXT)
    assert [read_data(file, 0), len(file.frames), file.is_broken] == [pack(SECOND), 2, False]


def test_a_default_image_with_control_is_the_first_frame() -> None:
    file = animate(build_frame_control(1, SIZE), build_frame_data(2, SECOND), before=(FIRST,))
    assert [read_data(file, 0), read_data(file, 1)] == [pack(PIXELS), pack(SECOND)]


def test_a_frame_has_its_place_and_its_operations() -> None:
    frame = animate(*HIDDEN, *NEXT).frames[1]
    assert (frame.width, frame.height, frame.left, frame.top, frame.dispose, frame.blend) == (5, 4, 7, 4, 1, 1)


@pytest.mark.parametrize(("announced", "shown"), [(1, 1), (2, 2), (5, 2), (0x7FFFFFFF, 2)])
def test_frames_are_as_many_as_announced_and_there(announced: int, shown: int) -> None:
    assert len(animate(*HIDDEN, *NEXT, frames=announced).frames) == shown


@pytest.mark.parametrize(
    "control",
    [build_animation_control(0), build_animation_control(0x80000000), build_chunk(b"acTL", b"\0" * 9)],
)
def test_an_invalid_animation_is_its_default_image(control: bytes) -> None:
    file = read_file(build_file(PIXELS, control, after=b"".join(HIDDEN)))
    assert (read_data(file), len(file.frames), file.is_animated) == (pack(PIXELS), 1, False)


@pytest.mark.parametrize(
    "after",
    [
        (),
        (HIDDEN[0],),
        (HIDDEN[1],),
        (build_frame_control(1, SIZE), build_frame_data(2, SECOND)),
        (build_frame_control(0, SIZE, (1, 0)), HIDDEN[1]),
        (build_frame_control(0, (0, 8)), HIDDEN[1]),
        (build_frame_control(0, SIZE, dispose=3), HIDDEN[1]),
        (build_frame_control(0, SIZE, blend=2), HIDDEN[1]),
        (build_chunk(b"fcTL", bytes(25)), HIDDEN[1]),
        (build_chunk(b"ABCD"), *HIDDEN),
    ],
)
def test_an_animation_may_have_no_frame(after: tuple[bytes, ...]) -> None:
    file = animate(*after)
    assert (file.frames, file.is_animated) == ([], True)


@pytest.mark.parametrize(
    "control",
    [
        build_frame_control(1, SIZE),
        build_frame_control(0, (5, 4)),
        build_frame_control(0, SIZE, (1, 0)),
        build_chunk(b"fcTL", b"x"),
    ],
)
def test_a_broken_control_of_the_default_image_stops_browsers(control: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        read_file(build_file(PIXELS, control))


def test_frames_end_before_the_first_that_is_out_of_order() -> None:
    wrong = build_frame_control(5, SIZE)
    assert len(animate(*HIDDEN, wrong, build_frame_data(6, SECOND)).frames) == 1


@pytest.mark.parametrize("second", [2, 3])
def test_data_of_a_frame_ends_where_it_is_out_of_order(second: int) -> None:
    parts = [build_chunk(b"fdAT", struct.pack(">I", number) + text) for number, text in ((1, b"one"), (second, b"two"))]
    file = animate(HIDDEN[0], *parts)
    assert (read_data(file), file.is_broken) == ((b"onetwo", False) if second == 2 else (b"one", True))


def test_a_wrong_checksum_of_a_frames_data_does_not_matter() -> None:
    file = animate(HIDDEN[0], build_chunk(b"fdAT", struct.pack(">I", 1) + b"data", crc_is_wrong=True))
    assert (read_data(file), file.is_broken) == (b"data", True)
