import numpy as np
import pytest
from PIL import Image

from pipeline.verdict import BoundingBox, RgbImage
from tests.support.builders import build_noise
from training.evaluation import perturbations

RED = (255, 0, 0)
BOX = BoundingBox(130, 70, 190, 150)


def marked(width: int = 320, height: int = 240, box: BoundingBox = BOX) -> RgbImage:
    """A gray image that is red exactly inside `box`."""
    pixels = Image.new("RGB", (width, height), "gray")
    pixels.paste(RED, box.corners)
    return RgbImage(pixels, "png")


def red_part(image: RgbImage) -> tuple[int, int, int, int]:
    """The bounds of what is rather red than gray."""
    reddish = np.asarray(image.pixels)[..., 1] < 64
    down, across = np.nonzero(reddish)
    return int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1


@pytest.mark.parametrize("name", perturbations.PERTURBATIONS)
@pytest.mark.parametrize("seed", range(5))
def test_a_box_still_holds_what_it_held(name: str, seed: int) -> None:
    image, boxes = perturbations.PERTURBATIONS[name](marked(), (BOX,), seed)
    assert boxes[0].corners == pytest.approx(red_part(image), abs=2 if name == "jpeg_30" else 1)
    assert image.format == "png"


def test_a_lower_quality_loses_more() -> None:
    image = RgbImage(build_noise(64, 48), "png")
    lost = [
        np.abs(np.asarray(perturbed.pixels, int) - np.asarray(image.pixels, int)).mean()
        for perturbed, _ in (perturbations.PERTURBATIONS[name](image, (), 0) for name in ("jpeg_80", "jpeg_30"))
    ]
    assert 0 < lost[0] < lost[1]


def test_a_crop_is_a_window_of_the_image_chosen_by_its_seed() -> None:
    image = RgbImage(build_noise(100, 50), "png")
    crops = [perturbations.crop_window(image, (), seed)[0].pixels for seed in (0, 0, 1)]
    assert crops[0].size == (80, 40)
    assert crops[0].tobytes() == crops[1].tobytes() != crops[2].tobytes()
    whole, cut = np.asarray(image.pixels), np.asarray(crops[0])
    assert any(np.array_equal(whole[y : y + 40, x : x + 80], cut) for y in range(11) for x in range(21))


def test_a_crop_cuts_boxes_at_its_border_and_drops_what_is_mostly_gone() -> None:
    corners = (BoundingBox(0, 0, 10, 10), BoundingBox(90, 40, 100, 50))
    left = {
        seed: perturbations.crop_window(RgbImage(build_noise(100, 50), "png"), corners, seed)[1] for seed in range(40)
    }
    assert {len(boxes) for boxes in left.values()} >= {0, 1}
    for boxes in left.values():
        assert all(box.x2 <= 80 and box.y2 <= 40 and box.area_px >= 25 for box in boxes)
    assert any(box.area_px < 100 for boxes in left.values() for box in boxes)


def test_at_half_size_a_box_of_one_pixel_may_be_gone() -> None:
    image, boxes = perturbations.halve_size(marked(101, 7), (BoundingBox(0, 0, 1, 1), BoundingBox(2, 2, 6, 6)), 0)
    assert image.size_px == (50, 3)
    assert boxes == (BoundingBox(1, 1, 3, 3),)


@pytest.mark.parametrize("name", perturbations.PERTURBATIONS)
def test_a_copy_stored_as_jpeg_is_the_same_but_for_a_little(name: str) -> None:
    image = marked()
    plain, boxes = perturbations.PERTURBATIONS[name](image, (BOX,), 3)
    stored, stored_boxes = perturbations.STORED_AS_JPEG[name](image, (BOX,), 3)
    assert stored_boxes == boxes
    assert stored.size_px == plain.size_px
    lost = np.abs(np.asarray(stored.pixels, int) - np.asarray(plain.pixels, int))
    assert 0 < lost.mean() < 2
