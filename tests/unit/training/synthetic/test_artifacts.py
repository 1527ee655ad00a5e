import numpy as np
import pytest

from training.synthetic import artifacts

FLAT = np.zeros((96, 96), np.float32)


def strongest_period_px(line: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(line - line.mean()))
    return len(line) / max(1, int(spectrum.argmax()))


@pytest.mark.parametrize("seed", range(5))
def test_checkerboard_has_a_period_of_4_to_6_px(seed: int) -> None:
    patch = artifacts.add_checkerboard(np.random.default_rng(seed), FLAT)
    assert strongest_period_px(patch[0]) in (4.0, 6.0)
    assert 11 <= patch.max() <= 18


def test_smoothing_takes_fine_detail_and_rings_at_the_border() -> None:
    rng = np.random.default_rng(1)
    fine = rng.standard_normal((96, 96)).astype(np.float32) * 20
    soft = artifacts.smooth_detail(rng, fine)
    middle = slice(30, 66)
    assert soft[middle, middle].std() < fine[middle, middle].std() / 2
    ringing = artifacts.smooth_detail(np.random.default_rng(1), FLAT)
    assert np.abs(ringing[:, 0]).mean() > 10 > 1 > np.abs(ringing[48, 48])


@pytest.mark.parametrize("seed", range(5))
def test_tiles_repeat_every_11_to_15_px(seed: int) -> None:
    patch = artifacts.repeat_tile(np.random.default_rng(seed), FLAT)
    lines = np.flatnonzero(np.abs(patch[5]) > 10)
    seams = lines[::2]
    assert set(np.diff(seams)) < set(range(11, 16))
    assert len(set(np.diff(seams))) == 1
