import numpy as np
import pytest

from pipeline.color.curves import SAMPLES, SRGB_CURVE, Curve, linearize_hlg, linearize_pq


def test_the_curve_of_srgb() -> None:
    np.testing.assert_allclose(
        SRGB_CURVE.linearize(np.array([0.0, 0.02, 0.5, 1.0])), [0, 0.001548, 0.214041, 1], atol=1e-6
    )


def test_a_curve_never_gives_what_is_no_number() -> None:
    for curve in (Curve(0.0), Curve(50_000.0), Curve(1e-5), Curve(2.0, 0.5, -0.2), Curve(200.0, 100.0)):
        assert np.isfinite(curve.linearize(SAMPLES)).all()


@pytest.mark.parametrize(
    "curve",
    [Curve(-1.5), Curve(2.0, -1.0), Curve(2.0, 1.0, -0.5, 0.3, 0.1), Curve(2.0, c=-0.3, d=0.1), Curve(float("nan"))],
)
def test_parameters_of_no_curve(curve: Curve) -> None:
    assert not curve.is_valid()


def test_pq_reaches_203_nits_at_58_percent() -> None:
    np.testing.assert_allclose(
        linearize_pq(np.array([0.0, 0.5807, 1.0])) * 10_000, [0, 203, 10_000], rtol=2e-3, atol=1e-9
    )


def test_hlg_is_a_root_below_the_middle_and_logarithmic_above() -> None:
    np.testing.assert_allclose(linearize_hlg(np.array([0.0, 0.5, 0.75, 1.0])), [0, 1 / 12, 0.26496, 1.0], atol=1e-5)


def test_a_curve_mirrors_negative_samples() -> None:
    samples = np.array([0.0, 0.02, 0.5, 1.0])
    np.testing.assert_allclose(SRGB_CURVE.linearize(-samples), -SRGB_CURVE.linearize(samples))
