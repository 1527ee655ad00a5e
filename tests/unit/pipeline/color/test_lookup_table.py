import struct

import numpy as np
import pytest

from pipeline.color.lookup_table import check_inverse_table, read_table
from tests.support.image_files.icc import Array, build_plain_table, build_staged_table, write_gamma

IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
AXES = [np.array([0.0, 0.1, 1.0]), np.array([0.5]), np.array([0.2, 0.9])]
COLORS = np.stack(np.meshgrid(*AXES, indexing="ij"), -1)


def swap(colors: Array) -> Array:
    return colors[..., [2, 1, 0]]


@pytest.mark.parametrize("table", [build_plain_table(swap), build_plain_table(swap, width=1), build_staged_table(swap)])
def test_a_grid_is_interpolated(table: bytes) -> None:
    np.testing.assert_allclose(read_table(table, is_xyz=False).look_up(AXES), swap(COLORS), atol=0.003)


def test_each_number_of_inputs_up_to_four() -> None:
    inks = [np.array([0.2]), np.array([0.4]), np.array([0.6]), np.array([0.8])]
    for inputs in (1, 2, 3, 4):
        table = read_table(build_plain_table(lambda colors: colors[:, [-1, -1, -1]], inputs=inputs), is_xyz=False)
        np.testing.assert_allclose(table.look_up(inks), [[[[[inks[inputs - 1][0]] * 3]]]], atol=1e-4)


def test_stages_without_a_grid() -> None:
    table = build_staged_table(None, matrix=[*IDENTITY[:9], 0.25, 0, 0], middle=write_gamma(2.0))
    expected = COLORS**2 + [0.25, 0, 0]
    np.testing.assert_allclose(read_table(table, is_xyz=False).look_up(AXES), expected, atol=1e-4)
    np.testing.assert_allclose(read_table(table, is_xyz=True).look_up(AXES), expected * 65535 / 32768, atol=1e-4)


@pytest.mark.parametrize(
    "table",
    [
        b"none" + bytes(100),
        build_plain_table(swap)[:-1],
        build_plain_table(swap, width=1)[:-1],
        b"mft2" + bytes([0, 0, 0, 0, 3, 4, 9]) + build_plain_table(swap)[11:],
        b"mft2" + bytes([0, 0, 0, 0, 5, 3, 2]) + build_plain_table(swap)[11:],
        b"mft2" + bytes([0, 0, 0, 0, 3, 3, 1]) + build_plain_table(swap)[11:],
        build_staged_table(swap)[:200],
        build_staged_table(None, matrix=IDENTITY),
        build_staged_table(None, middle=write_gamma(2.0)),
        b"mAB " + bytes(28),
        b"mAB " + bytes([0, 0, 0, 0, 4, 3]) + build_staged_table(None)[10:],
    ],
)
def test_broken_tables(table: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        read_table(table, is_xyz=False)


def test_a_grid_that_claims_more_than_there_is_allocates_nothing() -> None:
    table = bytearray(build_staged_table(swap))
    at_grid = int.from_bytes(table[24:28])
    table[at_grid : at_grid + 3] = b"\xff\xff\xff"
    with pytest.raises(ValueError, match="buffer"):
        read_table(bytes(table), is_xyz=False)


def test_inverse_tables() -> None:
    check_inverse_table(build_plain_table(swap))
    check_inverse_table(b"mBA " + bytes(28))
    with pytest.raises(ValueError, match="buffer"):
        check_inverse_table(build_plain_table(swap)[:-1])
    with pytest.raises(ValueError, match="no table"):
        check_inverse_table(b"none" + bytes(60))
