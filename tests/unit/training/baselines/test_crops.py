"""Training crops: half of each class, augmented, and never of held-out scenes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.baselines import crops
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split


def write_set(directory: Path, entries: list[LabeledImage], side: int = 64) -> Path:
    for entry in entries:
        shade = 200 if entry.label is Verdict.GENERATED else 40
        (directory / entry.file).write_bytes(images.encode_png(Image.new("RGB", (side, side), (shade, 0, 0))))
    manifest.write_manifest(directory, entries)
    return directory


def list_entries(*files: str) -> list[LabeledImage]:
    labels = [Verdict.REAL, Verdict.REAL, Verdict.REAL, Verdict.GENERATED]
    return [LabeledImage(file=file, label=label) for file, label in zip(files, labels, strict=False)]


def test_half_of_a_batch_is_of_each_class_whatever_the_set(tmp_path: Path) -> None:
    found = crops.read_training_images(write_set(tmp_path, list_entries("a.png", "b.png", "c.png", "d.png")))
    rng = np.random.default_rng(0)
    pixels, labels = crops.draw_batch(found, rng, batch=6, crop_px=32, augmented_fraction=0.0)
    assert pixels.shape == (6, 32, 32, 3)
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert pixels[:, 0, 0, 0].tolist() == [40, 200, 40, 200, 40, 200]


def test_only_the_training_split_is_learned_from(tmp_path: Path) -> None:
    entries = list_entries("a.png", "b.png", "c.png", "d.png")
    entries[0] = entries[0].model_copy(update={"split": Split.TEST})
    found = crops.read_training_images(write_set(tmp_path, entries))
    assert [entry.file for entry in found.entries] == ["b.png", "c.png", "d.png"]


def test_held_out_scenes_are_refused_by_their_names(tmp_path: Path) -> None:
    entries = list_entries("scene-0000000.png", "scene-6999998.png", "scene-7000000.png", "scene-0000001.png")
    with pytest.raises(BadSettings, match=r"held-out scenes \(scene-7000000\.png\)"):
        crops.read_training_images(write_set(tmp_path, entries))


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="too one-sided"):
        crops.read_training_images(write_set(tmp_path, list_entries("a.png")))


def test_a_small_image_is_enlarged_to_the_side_of_a_crop() -> None:
    cut = crops.cut_crop(Image.new("RGB", (20, 50)), 40, np.random.default_rng(0))
    assert cut.size == (40, 40)


def test_crops_come_from_everywhere_and_half_are_mirrored() -> None:
    ramp = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    rng = np.random.default_rng(0)
    first = [np.asarray(crops.cut_crop(ramp, 32, rng))[0, :, 0] for _ in range(200)]
    assert {int(row.min()) for row in first} == set(range(33))
    assert 70 < sum(row[0] > row[-1] for row in first) < 130


def test_the_fraction_decides_how_many_are_blurred_and_stored_as_jpeg() -> None:
    checkers = Image.fromarray((np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    rng = np.random.default_rng(0)
    unchanged = [np.array_equal(np.asarray(crops.augment(checkers, 0.5, rng)), checkers) for _ in range(200)]
    assert 30 < sum(unchanged) < 75  # a quarter is neither
    assert all(np.array_equal(np.asarray(crops.augment(checkers, 0.0, rng)), checkers) for _ in range(5))
