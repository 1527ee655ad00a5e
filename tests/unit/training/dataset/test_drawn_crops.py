from collections import Counter

import numpy as np
import pytest

from pipeline import geometry
from pipeline.geometry import Size
from pipeline.verdict import BoundingBox
from training.dataset import drawn_crops

SCENE = (512, 512)


def draw(rng: np.random.Generator, count: int) -> list[int | str]:
    return drawn_crops.draw_crops(rng, count, lambda number: number, lambda: "stray")


def test_crops_come_as_often_as_the_tiny_model_has_them() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng, 3) for _ in range(8000)]
    shares = {
        "none": sum(not crops for crops in drawn),
        "lost": sum(crops == ["stray"] for crops in drawn),
        "all": sum({0, 1, 2} <= set(crops) for crops in drawn),
        "stray": sum("stray" in crops and len(crops) > 1 for crops in drawn),
    }
    expected = {"none": 0.02, "lost": 0.04, "all": 0.94 * (0.7 + 0.3 / 3), "stray": 0.94 * 0.25}
    assert {name: count / len(drawn) for name, count in shares.items()} == pytest.approx(expected, abs=0.015)
    assert all(len(set(crops)) == len(crops) for crops in drawn)


def test_an_image_without_regions_has_no_crop_or_a_stray_one() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(tuple(draw(rng, 0)) for _ in range(1000))
    assert set(counts) == {(), ("stray",)}
    assert counts[()] > 600


def test_a_seed_draws_the_boxes_that_it_drew_for_the_shipped_model() -> None:
    rng = np.random.default_rng(3)
    box = BoundingBox(200, 100, 300, 180)
    jittered = [drawn_crops.jitter_box(rng, box, SCENE).corners for _ in range(3)]
    assert jittered == [(194, 101, 299, 179), (176, 98, 290, 212), (196, 98, 293, 171)]
    stray = [drawn_crops.draw_stray_box(rng, SCENE).corners for _ in range(3)]
    assert stray == [(312, 109, 427, 235), (275, 281, 365, 389), (367, 0, 488, 88)]


@pytest.mark.parametrize("size", [(3000, 2250), (40, 300), (64, 48), (700, 512)])
def test_boxes_lie_in_the_image_and_are_as_large_by_proportion(size: Size) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        stray = drawn_crops.draw_stray_box(rng, size)
        assert geometry.clip(stray.corners, size) == stray
        assert 0.12 < stray.width_px / min(size) < 0.28
        box = drawn_crops.jitter_box(rng, stray, size)
        assert geometry.clip(box.corners, size) == box


def test_a_box_that_would_shrink_to_nothing_stays() -> None:
    rng = np.random.default_rng(0)
    small = BoundingBox(100, 100, 128, 128)
    boxes = [drawn_crops.jitter_box(rng, small, SCENE) for _ in range(50)]
    assert all(min(box.width_px, box.height_px) >= geometry.CROP_MIN_SIDE_PX for box in boxes)
