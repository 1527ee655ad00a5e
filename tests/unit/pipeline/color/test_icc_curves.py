import struct

import numpy as np
import pytest

from pipeline.color.icc_curves import read_curve, read_curves
from tests.support.image_files.icc import write_curve, write_gamma, write_parameters

POINTS = np.array([0.0, 0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("tag", "light"),
    [
        (b"curv" + bytes(8), POINTS),
        (write_gamma(2.0), POINTS**2),
        (write_curve([0.0, 1.0, 0.0]), [0.0, 0.5, 1.0, 0.0]),
        (write_parameters(0, 3.0), POINTS**3),
        (write_parameters(1, 2.0, 2.0, -0.5), [0.0, 0.0, 0.25, 2.25]),
        (write_parameters(2, 2.0, 1.0, -0.25, 0.125), [0.125, 0.125, 0.1875, 0.6875]),
        (write_parameters(3, 2.0, 1.0, 0.0, 0.5, 0.5), [0.0, 0.125, 0.25, 1.0]),
        (write_parameters(4, 2.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.125), [0.125, 0.25, 0.5, 1.25]),
    ],
)
def test_curves(tag: bytes, light: list[float]) -> None:
    np.testing.assert_allclose(read_curve(tag).linearize(POINTS), light, atol=1e-4)


@pytest.mark.parametrize(
    "tag",
    [
        b"",
        b"none" + bytes(20),
        b"curv" + bytes(4),
        write_curve([0.0, 0.5, 1.0])[:-1],
        b"curv" + bytes(4) + b"\xff" * 4 + bytes(100),
        write_parameters(5, 1.0),
        write_parameters(4, 1.0),
        write_parameters(0, -1.0),
        write_parameters(1, 1.5, 0.0, 0.1),
    ],
)
def test_broken_curves(tag: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        read_curve(tag)


def test_curves_follow_each_other_at_multiples_of_four_bytes() -> None:
    gamma = write_gamma(2.0)
    curves = read_curves(b"head" + gamma + bytes(2) + write_parameters(0, 3.0), 4, 2)
    np.testing.assert_allclose([curve.linearize(np.array([0.5]))[0] for curve in curves], [0.25, 0.125])
