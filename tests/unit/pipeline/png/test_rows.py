import random
import zlib

import pytest

from pipeline.png.file import Picture
from pipeline.png.rows import list_passes, repair_rows
from tests.support.builders import build_noise
from tests.support.image_files.png import build_rows

WIDTH, HEIGHT = 40, 1000
ROW_BYTES = 1 + WIDTH
PIXELS = build_noise(WIDTH, HEIGHT, mode="L")
ROWS = build_rows(PIXELS)
PACKED = zlib.compress(ROWS)
PASSES = list_passes(WIDTH, HEIGHT, 8, is_interlaced=False)
HELD_BACK = 32768


def repair(packed: bytes, *, ends_with_file: bool = False) -> tuple[bytes, int]:
    """Return all unpacked rows and how many of them came."""
    picture = Picture(WIDTH, HEIGHT, parts=[memoryview(packed)], ends_with_file=ends_with_file)
    repaired = repair_rows(picture, PASSES)
    [came] = repaired.came
    return zlib.decompress(repaired.packed), came


@pytest.mark.parametrize(
    "packed",
    [
        PACKED,
        PACKED[:-4],
        PACKED[:-1] + bytes([PACKED[-1] ^ 1]),
        PACKED + b"junk",
        zlib.compress(ROWS * 3),
        b"\x08\x1d" + PACKED[2:],
    ],
)
def test_all_rows_come_from_a_stream_with_a_broken_end(packed: bytes) -> None:
    assert repair(packed) == (ROWS, HEIGHT)


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_a_stream_may_be_in_many_parts(size: int) -> None:
    parts = [memoryview(PACKED[at : at + size]) for at in range(0, len(PACKED), size)]
    repaired = repair_rows(Picture(WIDTH, HEIGHT, parts=[memoryview(b""), *parts]), PASSES)
    assert (zlib.decompress(repaired.packed), repaired.came) == (ROWS, [HEIGHT])


@pytest.mark.parametrize("rows", [0, 1, 300, 999])
def test_a_stream_that_ends_early_has_the_rows_before(rows: int) -> None:
    unpacked, came = repair(zlib.compress(ROWS[: rows * ROW_BYTES + 7]))
    assert came == rows
    assert unpacked == ROWS[: rows * ROW_BYTES + 7].ljust(len(ROWS), b"\0")


def test_a_cut_file_has_every_row_that_came_and_a_broken_stream_all_but_the_tail() -> None:
    stored = zlib.compress(ROWS, 0)
    cut = stored[: len(stored) - 100]
    _, came = repair(cut, ends_with_file=True)
    assert came == HEIGHT - 3
    _, came = repair(cut)
    assert came == (len(ROWS) - 100 + 4 - HELD_BACK) // ROW_BYTES


@pytest.mark.parametrize("row", [0, 1, 500, 999])
def test_rows_end_before_an_unknown_filter(row: int) -> None:
    broken = bytearray(ROWS)
    broken[row * ROW_BYTES] = 5
    unpacked, came = repair(zlib.compress(bytes(broken)))
    assert (unpacked[: row * ROW_BYTES], came) == (ROWS[: row * ROW_BYTES], row)


@pytest.mark.parametrize("head", [b"\0\0", b"\x78\x9d", b"\x78\xbb", b"\x98\x1a"])
def test_a_stream_with_a_wrong_head_has_no_rows(head: bytes) -> None:
    assert repair(head + PACKED[2:]) == (bytes(len(ROWS)), 0)


@pytest.mark.parametrize("packed", [b"", b"\x78"])
def test_an_empty_stream_has_no_rows(packed: bytes) -> None:
    assert repair(packed, ends_with_file=True) == (bytes(len(ROWS)), 0)


def test_nothing_is_unpacked_beyond_the_rows() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    unpacked, came = repair(bomb)
    assert (len(unpacked), came) == (len(ROWS), HEIGHT)


def test_flat_rows_come_whole_from_few_bytes_without_a_checksum() -> None:
    packed = zlib.compress(bytes(len(ROWS)), 9)
    assert repair(packed[:-4]) == (bytes(len(ROWS)), HEIGHT)


def test_passes_of_an_interlaced_picture() -> None:
    passes = list_passes(9, 5, 4, is_interlaced=True)
    assert [(each.width, each.rows, each.row_bytes) for each in passes] == [
        (2, 1, 2),
        (1, 1, 2),
        (3, 1, 3),
        (2, 2, 2),
        (5, 1, 4),
        (4, 3, 3),
        (9, 2, 6),
    ]
    assert [(each.left, each.top) for each in list_passes(1, 1, 8, is_interlaced=True)] == [(0, 0)]


def test_rows_of_passes_are_counted_one_pass_after_the_other() -> None:
    pixels = build_noise(9, 5, mode="L")
    rows = build_rows(pixels, is_interlaced=True)
    passes = list_passes(9, 5, 8, is_interlaced=True)
    size = sum(each.rows * each.row_bytes for each in passes[:3]) + passes[3].row_bytes
    picture = Picture(9, 5, parts=[memoryview(zlib.compress(rows[:size]))])
    assert repair_rows(picture, passes).came == [1, 1, 1, 1, 0, 0, 0]


def test_an_unknown_filter_in_any_pass_is_found() -> None:
    rows = bytearray(build_rows(build_noise(64, 64, mode="L"), is_interlaced=True))
    passes = list_passes(64, 64, 8, is_interlaced=True)
    begin = sum(each.rows * each.row_bytes for each in passes[:6]) + 10 * passes[6].row_bytes
    rows[begin] = random.Random(0).randrange(5, 256)
    repaired = repair_rows(Picture(64, 64, parts=[memoryview(zlib.compress(bytes(rows)))]), passes)
    assert repaired.came == [*(each.rows for each in passes[:6]), 10]
