from dataclasses import replace

from pipeline import geometry
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from tests.support.builders import build_noise
from training.evaluation import boxes
from training.evaluation.samples import Sample

SIZE = (400, 300)
SMALL, LARGE, MIDDLE = BoundingBox(0, 0, 40, 30), BoundingBox(100, 50, 300, 250), BoundingBox(310, 0, 400, 90)


def sample(number: int, *, side: int = 300) -> Sample:
    return Sample(number, RgbImage(build_noise(side, side), "png"), Verdict.REAL, (MIDDLE,))


def test_random_boxes_are_as_many_and_as_large_and_somewhere_else() -> None:
    own = [SMALL, LARGE]
    drawn = boxes.choose_random(7)(own, SIZE, 8)
    assert [(box.width_px, box.height_px) for box in drawn] == [(40, 30), (200, 200)]
    assert all(geometry.clip(box.corners, SIZE) == box for box in drawn)
    assert list(drawn) != own
    assert drawn == boxes.choose_random(7)(own, SIZE, 8) != boxes.choose_random(8)(own, SIZE, 8)
    assert boxes.choose_random(7)([], SIZE, 8) == []


def test_random_boxes_reach_every_place() -> None:
    found = [boxes.choose_random(seed)([LARGE], SIZE, 8)[0] for seed in range(3000)]
    assert (min(box.x1 for box in found), max(box.x2 for box in found)) == (0, 400)
    assert (min(box.y1 for box in found), max(box.y2 for box in found)) == (0, 300)


def test_an_image_s_random_boxes_hang_on_its_pixels_alone() -> None:
    first = sample(1)
    elsewhere = replace(first, number=2)
    assert boxes.choose_anywhere(first)([LARGE], SIZE, 8) == boxes.choose_anywhere(elsewhere)([LARGE], SIZE, 8)
    assert boxes.choose_anywhere(first)([LARGE], SIZE, 8) != boxes.choose_anywhere(sample(1, side=301))(
        [LARGE], SIZE, 8
    )


def test_the_largest_boxes_stay_in_the_model_s_order() -> None:
    assert boxes.choose_largest(2)([SMALL, MIDDLE, LARGE], SIZE, 8) == [MIDDLE, LARGE]
    assert boxes.choose_largest(3)([SMALL, MIDDLE, LARGE], SIZE, 8) == [SMALL, MIDDLE, LARGE]
    assert boxes.choose_largest(4)([SMALL], SIZE, 8) == [SMALL]


def test_annotated_boxes_take_no_notice_of_the_model() -> None:
    assert list(boxes.choose_annotated(sample(0))([LARGE, SMALL], SIZE, 8)) == [MIDDLE]
