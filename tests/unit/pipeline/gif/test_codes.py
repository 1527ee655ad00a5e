import numpy as np
import pytest

from pipeline.gif.codes import unpack_codes
from tests.support.image_files.gif import pack_bits, pack_codes, split_into_blocks, tile

SIZE = WIDTH, HEIGHT = 300, 20


def pack(codes: bytes, length: int = 255) -> bytes:
    return split_into_blocks(codes, length)[:-1]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("length", [255, 7, 1])
def test_indices_of_any_number_of_bits(bits: int, length: int) -> None:
    indices = tile(WIDTH, HEIGHT, 1 << bits)
    rows, came = unpack_codes(pack(pack_codes(indices.ravel(), bits), length), bits, SIZE)
    assert (came, rows.tolist()) == (WIDTH * HEIGHT, indices.tolist())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("came", [0, 1, 299, 300, 2000])
def test_the_indices_that_came_are_counted(bits: int, came: int) -> None:
    indices = tile(WIDTH, HEIGHT, 1 << bits)
    rows, count = unpack_codes(pack(pack_codes(indices.ravel()[:came], bits)), bits, SIZE)
    assert (count, rows.ravel()[:came].tolist()) == (came, indices.ravel()[:came].tolist())


@pytest.mark.parametrize("bits", [1, 2])
def test_a_code_may_stand_for_the_indices_that_it_completes(bits: int) -> None:
    clear = 1 << bits
    codes = [(clear, bits + 1), (1, bits + 1), (clear + 2, 3), (clear + 2, 3), (clear + 1, 3)]
    rows, came = unpack_codes(pack(pack_bits(codes)), bits, (8, 1))
    assert (came, rows.tolist()) == (5, [[1, 1, 1, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize("bits", [1, 2])
def test_a_code_without_meaning_ends_the_frame(bits: int) -> None:
    codes = [(1 << bits, bits + 1), (1, bits + 1), (7, 3), (0, 3)]
    assert unpack_codes(pack(pack_bits(codes)), bits, SIZE)[1] == 1


@pytest.mark.parametrize("bits", [9, 12, 255])
def test_too_many_bits_are_not_read(bits: int) -> None:
    assert unpack_codes(pack(b"\0" * 99), bits, SIZE)[1] == 0


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_the_table_of_codes_is_full_in_the_end(bits: int) -> None:
    indices = np.random.default_rng(0).integers(0, 1 << bits, (250, 300), dtype=np.uint8)
    rows, came = unpack_codes(pack(pack_codes(indices.ravel(), bits)), bits, (300, 250))
    assert (came, (rows == indices).all()) == (75_000, True)
