from pathlib import Path

import numpy as np
import pytest

from pipeline.verdict import Verdict
from tests.support.builders import build_noise
from tests.support.labeled_images import build_image
from training.annotation import format_leak
from training.annotation.format_leak import Features, Leak
from training.common.resampling import Metric

LABELS = [list(Verdict)[n % 2] for n in range(80)]


def build_matched(share: int, leak: float = 0.5) -> tuple[list[Features], list[Verdict]]:
    """Describe files of 200 sizes, each of one generated image and `share` photographs.

    The metadata of `leak` of the generated images has a mark, and that of 1 - `leak` of the photographs.
    """
    rng = np.random.default_rng(3)
    features, labels = list[Features](), list[Verdict]()
    for width, height in zip(rng.permutation(range(300, 500)), rng.permutation(range(300, 500)), strict=True):
        for label in [Verdict.GENERATED, *[Verdict.REAL] * share]:
            marked = rng.random() < (leak if label is Verdict.GENERATED else 1 - leak)
            features.append(
                {
                    "mode": "RGB",
                    "width_px": float(width),
                    "height_px": float(height),
                    "length_bytes": float(width * height * 3),
                    "written_at": float(rng.random()),
                    "metadata": "srgb" if marked else "",
                    "begins_with": f"89504e47 {width} {height}",
                }
            )
            labels.append(label)
    return features, labels


def test_a_habit_of_one_class_is_found_and_named() -> None:
    features = [{"format": "JPEG" if label is Verdict.REAL else "PNG", "width_px": 512.0} for label in LABELS]
    leak = format_leak.measure_leak(features, LABELS)
    assert leak.balanced_accuracy.value == leak.balanced_accuracy.high == 1
    assert not leak.at_chance
    assert {name: metric.value for name, metric in leak.by_feature.items()} == {"format": 1.0, "width_px": 0.5}


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


@pytest.mark.parametrize("share", [1, 2])
def test_sizes_that_both_classes_have_equally_often_are_at_chance(share: int) -> None:
    features, labels = build_matched(share)
    leak = format_leak.measure_leak(features, labels)
    assert leak.balanced_accuracy.value == pytest.approx(0.5, abs=0.06)
    assert leak.at_chance
    sizes = [leak.by_feature[name].value for name in ("width_px", "height_px", "length_bytes", "begins_with")]
    assert sizes == pytest.approx([0.5] * 4, abs=0.01), "what a size decides is no vote for the other class either"


@pytest.mark.parametrize("share", [1, 2])
def test_a_leak_of_one_feature_is_found_beside_matched_sizes(share: int) -> None:
    features, labels = build_matched(share, leak=0.7)
    leak = format_leak.measure_leak(features, labels)
    assert leak.by_feature["metadata"].value == pytest.approx(0.7, abs=0.04)
    assert leak.balanced_accuracy.value == pytest.approx(0.7, abs=0.06)
    assert not leak.at_chance


def test_sizes_that_the_classes_share_seldom_are_a_leak() -> None:
    labels = [Verdict.REAL] * 100 + [Verdict.GENERATED] * 100
    widths = [512.0] * 95 + [1024.0] * 5 + [1024.0] * 95 + [512.0] * 5
    leak = format_leak.measure_leak([{"width_px": width, "height_px": 512.0} for width in widths], labels)
    assert leak.by_feature["width_px"].value == pytest.approx(0.95)
    assert not leak.at_chance


def test_one_feature_that_tells_the_classes_apart_is_enough() -> None:
    assert Leak(Metric(0.52, 0.48, 0.56, 600), {"mode": Metric(0.5, 0.44, 0.56, 600)}).at_chance
    assert not Leak(Metric(0.52, 0.48, 0.56, 600), {"metadata": Metric(0.7, 0.63, 0.76, 600)}).at_chance


def test_an_interval_of_one_feature_of_many_is_wider() -> None:
    features: list[Features] = [{"mode": "RGB"} for _ in LABELS]
    alone = format_leak.measure_leak(features, LABELS)
    among = format_leak.measure_leak([{**values, "suffix": ".png"} for values in features], LABELS)
    assert alone.by_feature["mode"] == alone.balanced_accuracy
    assert (among.by_feature["mode"].low or 1) < (alone.by_feature["mode"].low or 0)


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
