import numpy as np
import pytest
from PIL import Image

from pipeline.geometry import Size
from training.dataset import frame, placement
from training.dataset.placement import Frame


@pytest.mark.parametrize("size", [(800, 600), (600, 800), (256, 256)])
@pytest.mark.parametrize("kind", ["full", "512"])
@pytest.mark.parametrize("matched_px", [None, (200, 150), (150, 200), (180, 180)])
def test_boxes_follow_their_pixels(size: Size, kind: Frame, matched_px: Size | None) -> None:
    pixels = Image.new("RGB", size, "black")
    box = (size[0] // 2 - 40, size[1] // 2 - 30, size[0] // 2 + 60, size[1] // 2 + 50)
    pixels.paste((255, 255, 255), box)
    placed = placement.place_in_frame(size, kind, matched_px=matched_px)
    lit = np.argwhere(np.asarray(frame.render_frame(pixels, placed).convert("L")) > 127)
    (top, left), (bottom, right) = lit.min(0), lit.max(0) + 1
    assert placed.map_box(box) == pytest.approx((left, top, right, bottom), abs=2.5)


def test_the_full_frame_keeps_an_image_as_it_is() -> None:
    placed = placement.place_in_frame((3000, 2250), "full")
    assert (placed.window.corners, placed.frame_px) == ((0, 0, 3000, 2250), (3000, 2250))
    assert placed.map_box((100, 200, 300, 400)) == (100, 200, 300, 400)


@pytest.mark.parametrize(
    ("size", "expected"), [((8000, 6000), (4098, 3074)), ((64, 1_000_000), (4, 65_500)), ((4032, 3024), (4032, 3024))]
)
def test_a_full_frame_is_bounded(size: Size, expected: Size) -> None:
    width, height = placement.place_in_frame(size, "full").frame_px
    assert (width, height) == pytest.approx(expected, abs=2)
    assert width * height <= placement.FULL_MAX_PIXELS


def test_the_square_frame_is_the_centre() -> None:
    placed = placement.place_in_frame((800, 600), "512")
    assert (placed.window.corners, placed.scaled_px, placed.frame_px) == ((100, 0, 700, 600), (512, 512), (512, 512))


def test_a_matched_size_is_reached_before_the_frame() -> None:
    placed = placement.place_in_frame((1024, 1024), "512", matched_px=(500, 375))
    assert (placed.scaled_px, placed.frame_px) == ((375, 375), (512, 512))
    assert placed.window.width_px == 768
    full = placement.place_in_frame((1024, 1024), "full", matched_px=(500, 375))
    assert (full.window.corners, full.frame_px) == ((0, 128, 1024, 896), (500, 375))
