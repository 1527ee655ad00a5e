from pathlib import Path

import numpy as np
import pytest

from pipeline.verdict import Verdict
from tests.support.builders import build_noise
from tests.support.labeled_images import build_image
from training.annotation import format_leak

LABELS = [list(Verdict)[n % 2] for n in range(80)]


def test_a_habit_of_one_class_is_found_and_named() -> None:
    features = [{"format": "JPEG" if label is Verdict.REAL else "PNG", "width_px": 512.0} for label in LABELS]
    leak = format_leak.measure_leak(features, LABELS)
    assert leak.balanced_accuracy.value == leak.balanced_accuracy.high == 1
    assert not leak.at_chance
    assert leak.by_feature == {"format": 1.0, "width_px": 0.5}


def test_a_habit_in_the_middle_of_a_range_is_found() -> None:
    rng = np.random.default_rng(0)
    lengths = [
        rng.uniform(40, 60) if label is Verdict.REAL else rng.choice([20.0, 80.0]) * rng.uniform(0.8, 1.2)
        for label in LABELS
    ]
    assert not format_leak.measure_leak([{"length_bytes": float(length)} for length in lengths], LABELS).at_chance


def test_files_alike_or_drawn_alike_are_at_chance() -> None:
    alike = format_leak.measure_leak([{"format": "PNG", "length_bytes": 9.0}] * 80, LABELS)
    assert (alike.balanced_accuracy.value, alike.at_chance) == (0.5, True)
    rng = np.random.default_rng(1)
    assert format_leak.measure_leak([{"length_bytes": float(rng.normal())} for _ in LABELS], LABELS).at_chance


def test_one_class_larger_than_the_other_is_no_leak() -> None:
    labels = [Verdict.REAL] * 30 + [Verdict.GENERATED] * 90
    assert format_leak.measure_leak([{"mode": "RGB"}] * 120, labels).balanced_accuracy.value == 0.5


def test_one_class_alone_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="both classes"):
        format_leak.measure_leak([{"mode": "RGB"}], [Verdict.REAL])


def test_what_a_file_says(tmp_path: Path) -> None:
    build_noise(30, 20, seed=0).save(tmp_path / "a.jpg", comment=b"made by a camera")
    build_noise(30, 20, seed=0).save(tmp_path / "a.png")
    jpeg, png = (format_leak.read_file_features(tmp_path / name) for name in ("a.jpg", "a.png"))
    assert (jpeg["format"], png["format"]) == ("JPEG", "PNG")
    assert "comment" in str(jpeg["metadata"])
    assert jpeg["quantization"] != png["quantization"]
    assert all(jpeg[name] != png[name] for name in ("length_bytes", "suffix", "begins_with"))


def test_what_a_source_said() -> None:
    said = format_leak.read_source_features(build_image(1, source_file="x/IMG_0042.JPG"))
    assert (said["suffix"], said["name_length"], said["length_bytes"]) == (".jpg", 12, 54_321)
