import numpy as np
import pytest

from pipeline.bmp.header import read_header
from pipeline.bmp.palette import read_palette
from pipeline.bmp.runs import unpack_runs
from pipeline.errors import ImageUndecodable
from tests.support.image_files.bmp import COLORS, RUNS_4, RUNS_8, RUNS_24, build_file, build_header

WIDTH, HEIGHT = 6, 3
END_OF_ROW, END, MOVE = b"\0\0", b"\0\1", b"\0\2"
GAP = -1
"""as an index: nothing was written there"""


def list_indices(runs: bytes, *, bits: int = 8, top_down: bool = False) -> list[list[int]]:
    """Return the indices of the pixels, the first row of the file first."""
    compression = {8: RUNS_8, 4: RUNS_4}[bits]
    height = -HEIGHT if top_down else HEIGHT
    data = build_file(
        build_header(WIDTH, height, bits=bits, compression=compression), runs, palette=COLORS[: 4 << bits]
    )
    header = read_header(data)
    image = np.asarray(unpack_runs(data, header, read_palette(data, header)))
    index_of = {(5 * index % 256, 255 - index, index): index for index in range(256)}
    indices = np.array([[index_of.get(tuple(map(int, pixel)), GAP) for pixel in row] for row in image])
    return (indices if top_down else indices[::-1]).tolist()


def fill(*rows: list[int]) -> list[list[int]]:
    """Fill rows with gaps to the size of the picture."""
    return [[*row, *[GAP] * (WIDTH - len(row))] for row in (*rows, *[[]] * (HEIGHT - len(rows)))]


@pytest.mark.parametrize("top_down", [False, True])
def test_runs_of_8_bits(top_down: bool) -> None:
    runs = b"\2\7\4\x08" + END_OF_ROW + b"\6\x09" + END_OF_ROW + b"\5\1\1\2" + END
    assert list_indices(runs, top_down=top_down) == [[7, 7, 8, 8, 8, 8], [9] * 6, [1, 1, 1, 1, 1, 2]]


def test_runs_of_4_bits_alternate() -> None:
    assert list_indices(b"\5\x12\1\x34" + END_OF_ROW + END, bits=4) == fill([1, 2, 1, 2, 1, 3])


@pytest.mark.parametrize(
    ("bits", "runs", "row"),
    [
        (8, b"\0\3abc\0\2\5", [97, 98, 99, 5, 5]),
        (8, b"\0\4abcd\2\5", [97, 98, 99, 100, 5, 5]),
        (4, b"\0\3\x12\x30\2\x55", [1, 2, 3, 5, 5]),
        (4, b"\0\5\x12\x34\x50\0\1\x66", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_pixels_one_by_one_fill_pairs_of_bytes(bits: int, runs: bytes, row: list[int]) -> None:
    assert list_indices(runs + END, bits=bits) == fill(row)


def test_gaps_are_black() -> None:
    assert list_indices(b"\2\7" + END_OF_ROW + b"\1\x08" + END) == fill([7, 7], [8])
    assert list_indices(b"\1\7" + MOVE + b"\2\0\1\x08" + END) == fill([7, GAP, GAP, 8])
    assert list_indices(b"\1\7" + MOVE + b"\1\2\1\x08" + END) == fill([7], [], [GAP, GAP, 8])
    assert list_indices(END) == fill()


def test_what_is_beyond_the_right_edge_is_lost() -> None:
    assert list_indices(b"\xff\7\3\x08" + END_OF_ROW + b"\1\x09" + END) == fill([7] * 6, [9])
    assert list_indices(b"\5\7\0\4abcd" + END_OF_ROW + b"\1\x09" + END) == fill([7] * 5 + [97], [9])
    assert list_indices(b"\1\7" + MOVE + b"\x09\1\1\x08" + END) == fill([7])


def test_what_is_beyond_the_last_row_is_lost() -> None:
    assert list_indices((b"\6\7" + END_OF_ROW) * (HEIGHT + 2) + END) == [[7] * 6] * HEIGHT
    assert list_indices(b"\1\7" + MOVE + b"\0\xff\1\x08" + END) == fill([7])


@pytest.mark.parametrize(
    "rest",
    [b"", b"\6", b"\6\x08", b"\6\x08\0", b"\0\6abc", b"\1\x08" + MOVE, b"\1\x08" + MOVE + b"\1"],
)
def test_a_row_that_does_not_end_is_left_out(rest: bytes) -> None:
    assert list_indices(b"\6\7" + END_OF_ROW + rest) == [[7] * 6]


def test_a_file_may_end_with_its_last_row() -> None:
    assert list_indices((b"\6\7" + END_OF_ROW) * HEIGHT) == [[7] * 6] * HEIGHT


@pytest.mark.parametrize("runs", [b"", b"\6\7", b"\0\6abcdef"])
def test_a_file_without_a_whole_row_is_undecodable(runs: bytes) -> None:
    with pytest.raises(ImageUndecodable, match="holds no whole row"):
        list_indices(runs)


def test_runs_of_24_bits_are_colors() -> None:
    runs = b"\2\1\2\3" + b"\0\3" + bytes(range(10, 19)) + b"\0" + END_OF_ROW + END
    data = build_file(build_header(WIDTH, HEIGHT, version=64, compression=RUNS_24), runs)
    image = np.asarray(unpack_runs(data, read_header(data), b""))
    assert image[-1].tolist() == [[3, 2, 1], [3, 2, 1], [12, 11, 10], [15, 14, 13], [18, 17, 16], [0, 0, 0]]
    assert not image[:-1].any()
