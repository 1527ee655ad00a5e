import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from tests.builders import noise
from training.measuring import variants
from training.measuring.metrics import Judged
from training.measuring.samples import Sample

SIZE = (400, 300)
SMALL, LARGE, MIDDLE = BoundingBox(0, 0, 40, 30), BoundingBox(100, 50, 300, 250), BoundingBox(310, 0, 400, 90)


def sample(number: int, *, side: int = 300) -> Sample:
    return Sample(number, RgbImage(noise(side, side), "png"), Verdict.REAL, ())


def test_random_crops_are_as_many_and_as_large_and_somewhere_else() -> None:
    own = [SMALL, LARGE]
    drawn = variants.random_crops(7)(own, SIZE, 8)
    assert [(box.width_px, box.height_px) for box in drawn] == [(40, 30), (200, 200)]
    assert all(geometry.clip(box.corners, SIZE) == box for box in drawn)
    assert list(drawn) != own
    assert drawn == variants.random_crops(7)(own, SIZE, 8) != variants.random_crops(8)(own, SIZE, 8)
    assert variants.random_crops(7)([], SIZE, 8) == []


def test_random_crops_reach_every_place() -> None:
    found = [variants.random_crops(seed)([LARGE], SIZE, 8)[0] for seed in range(3000)]
    assert (min(box.x1 for box in found), max(box.x2 for box in found)) == (0, 400)
    assert (min(box.y1 for box in found), max(box.y2 for box in found)) == (0, 300)


def test_an_image_s_random_crops_hang_on_its_pixels_alone() -> None:
    choose = variants.QUESTIONS["random_crops"]
    one = sample(1)
    elsewhere = replace(one, number=2)
    assert choose(one)([LARGE], SIZE, 8) == choose(elsewhere)([LARGE], SIZE, 8)
    assert choose(one)([LARGE], SIZE, 8) != choose(sample(1, side=301))([LARGE], SIZE, 8)


def test_the_largest_boxes_stay_in_the_model_s_order() -> None:
    assert variants.largest(2)([SMALL, MIDDLE, LARGE], SIZE, 8) == [MIDDLE, LARGE]
    assert variants.largest(3)([SMALL, MIDDLE, LARGE], SIZE, 8) == [SMALL, MIDDLE, LARGE]
    assert variants.largest(4)([SMALL], SIZE, 8) == [SMALL]


def test_enlarged_boxes_take_the_place_of_those_that_were_named() -> None:
    judged = [Judged(Verdict.REAL, Verdict.REAL, Verdict.REAL, (SMALL, MIDDLE, LARGE, MIDDLE), ())]
    one = Sample(0, RgbImage(Image.new("RGB", SIZE), "png"), Verdict.REAL, ())
    (seen,) = variants.enlarged("largest_3", [one], judged, 8)
    assert seen.regions == (SMALL, MIDDLE, LARGE)  # the repeated one is no fourth


ROW = {
    "commit": "abc",
    "seed": 1,
    "date": "2026-01-01",
    "figures": {"acc": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 100}},
}


def test_trainings_are_read_with_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / variants.NAME
    assert variants.recorded(file) == {}
    file.write_text(json.dumps({"rows": {"sft": ROW}}))
    kept = variants.recorded(file)["sft"]
    assert (kept.commit, kept.seed, kept.date) == ("abc", 1, "2026-01-01")
    assert (kept.figures["acc"].value, kept.figures["acc"].n) == (0.7, 100)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"two_turn": ROW}, "two_turn is no training of table 1"),
        ({"sft": {**ROW, "figures": {"accuracy": {"value": 1, "n": 1}}}}, "has no figure accuracy"),
        ({"sft": {**ROW, "commit": None}}, r"rows\.sft\.commit"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, rows: dict[str, object], said: str) -> None:
    file = tmp_path / variants.NAME
    file.write_text(json.dumps({"rows": rows}))
    with pytest.raises(BadSettings, match=said):
        variants.recorded(file)
