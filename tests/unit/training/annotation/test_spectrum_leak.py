from pathlib import Path

import pytest
from PIL import Image

from pipeline.verdict import Verdict
from tests.support.builders import build_noise
from training.annotation import spectrum_leak
from training.common.resampling import Metric

LABELS = [list(Verdict)[n % 2] for n in range(60)]
GROUPS = [str(n) for n in range(60)]
SIDE_PX = 96


def measure(directory: Path, real_px: int, generated_px: int) -> Metric:
    """Measure a set whose classes were delivered in these sizes and brought to one."""
    energies = []
    for number, label in enumerate(LABELS):
        side = real_px if label is Verdict.REAL else generated_px
        picture = build_noise(192, 192, seed=number).resize((side, side), Image.Resampling.BICUBIC)
        picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(directory / "a.png")
        energies.append(spectrum_leak.measure_band_energies(directory / "a.png"))
    return spectrum_leak.measure_spectrum_leak(energies, LABELS, GROUPS)


def test_a_class_that_was_enlarged_is_told_apart(tmp_path: Path) -> None:
    accuracy = measure(tmp_path, 70, 192)
    assert (accuracy.value or 0) > 0.9
    assert spectrum_leak.is_told_apart(accuracy)


def test_classes_of_one_fineness_are_not(tmp_path: Path) -> None:
    assert not spectrum_leak.is_told_apart(measure(tmp_path, 70, 70))


def test_a_flat_picture_has_energies_too(tmp_path: Path) -> None:
    Image.new("RGB", (90, 64), "gray").save(tmp_path / "a.png")
    energies = spectrum_leak.measure_band_energies(tmp_path / "a.png")
    assert len(set(energies)) == 1
    assert len(energies) == spectrum_leak.BANDS


def test_fine_waves_are_in_the_last_bands(tmp_path: Path) -> None:
    stripes = Image.new("L", (64, 64), 0)
    stripes.putdata([255 * (x % 2) for _ in range(64) for x in range(64)])
    stripes.save(tmp_path / "a.png")
    energies = spectrum_leak.measure_band_energies(tmp_path / "a.png")
    assert max(energies) == energies[-1]


def test_images_of_one_group_do_not_test_each_other() -> None:
    """Each group has energies that give its label away; they tell nothing of the other groups."""
    groups = [str(n // 4) for n in range(60)]
    labels = [list(Verdict)[n // 4 % 2] for n in range(60)]
    energies = [[float(n // 4 == group) for group in range(15)] for n in range(60)]
    assert not spectrum_leak.is_told_apart(spectrum_leak.measure_spectrum_leak(energies, labels, groups))


def test_one_class_alone_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="both classes"):
        spectrum_leak.measure_spectrum_leak([[1.0]], [Verdict.REAL], ["a"])


@pytest.mark.parametrize(
    ("value", "low", "expected"), [(0.58, 0.55, False), (0.7, 0.45, False), (0.7, 0.6, True), (None, None, False)]
)
def test_chance_and_small_differences_do_not_count(value: float | None, low: float | None, expected: bool) -> None:
    assert spectrum_leak.is_told_apart(Metric(value, low, None, 10)) is expected
