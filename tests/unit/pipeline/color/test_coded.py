import numpy as np
import pytest

from pipeline.color.coded import (
    BT709,
    CodedColor,
    Primaries,
    find_coded_color,
    read_cicp,
    read_gama_and_chrm,
    read_peak_nits,
)
from pipeline.color.curves import SRGB_CURVE, Curve

SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def pack(numbers: tuple[int, ...]) -> bytes:
    return b"".join(number.to_bytes(4) for number in numbers)


@pytest.mark.parametrize("content", [b"\x0c\x0d\0\0", b"\x0c\x0d\1\1", b"\x0c\x09\0\1", b"\x03\x0d\0\1", b"\x0c\x0d\0"])
def test_code_points_that_browsers_ignore(content: bytes) -> None:
    assert read_cicp(content) is None


def test_code_points() -> None:
    assert read_cicp(b"\1\x0d\0\1") == CodedColor(BT709, SRGB_CURVE)
    assert find_coded_color(2, 13) is None


@pytest.mark.parametrize("gamma", [0, 43_300, 45_455, 47_700])
def test_a_gamma_that_is_absent_or_close_to_that_of_srgb_changes_nothing(gamma: int) -> None:
    assert read_gama_and_chrm(gamma.to_bytes(4), None) is None


def test_chromaticities_count_with_a_gamma_only() -> None:
    chrm = pack(SRGB_CHROMATICITIES)
    assert read_gama_and_chrm(None, chrm) is None
    assert read_gama_and_chrm((45_455).to_bytes(4), chrm) == CodedColor(BT709, Curve(100_000 / 45_455))


def test_the_white_of_every_system_becomes_d50() -> None:
    for primaries in (BT709, Primaries(0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)):
        to_xyz = primaries.compute_to_xyz_d50()
        assert to_xyz is not None
        np.testing.assert_allclose(to_xyz.sum(axis=1), [0.96422, 1.0, 0.82521], atol=1e-4)


@pytest.mark.parametrize(
    "primaries",
    [
        Primaries(0, 0, 0, 0, 0, 0, 0, 0),
        Primaries(0.3127, 0.329, 0.64, 0.33, 0.64, 0.33, 0.64, 0.33),
        Primaries(0.3127, 0.329, 1.64, 0.33, 0.30, 0.60, 0.15, 0.06),
        Primaries(0.3127, 0.329, -0.01, 0.33, 0.30, 0.60, 0.15, 0.06),
    ],
)
def test_primaries_that_browsers_do_not_take(primaries: Primaries) -> None:
    assert primaries.compute_to_xyz() is None
    assert primaries.compute_to_xyz_d50() is None


def test_a_white_without_luminance_is_no_fault() -> None:
    assert Primaries(0.3127, 0.0, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06).compute_to_xyz_d50() is not None


@pytest.mark.parametrize(
    ("content", "display", "peak_nits"),
    [(None, None, 1000), (400, None, 400), (None, 600, 600), (400, 600, 400), (0, 600, 600), (0, 0, 1000)],
)
def test_the_peak_is_that_of_the_picture_or_of_its_display(
    content: int | None, display: int | None, peak_nits: float
) -> None:
    clli = None if content is None else pack((content * 10_000, 1))
    mdcv = None if display is None else bytes(16) + pack((display * 10_000, 1))
    assert read_peak_nits(clli, mdcv) == peak_nits
