from pipeline import images
from pipeline.local_image import LocalImage
from pipeline.verdict import BoundingBox, RgbImage
from tests.support.builders import build_noise

IMAGE = RgbImage(build_noise(300, 200), "png")
BOXES = [BoundingBox(0, 0, 50, 60), BoundingBox(100, 100, 300, 200)]


async def test_view_and_crops_are_those_of_the_image() -> None:
    local = LocalImage(IMAGE)
    assert local.size_px == (300, 200)
    assert await local.build_view(140 * 140) == images.build_view(IMAGE, 140 * 140)
    assert await local.cut_crops(BOXES, 140 * 140) == tuple(images.crop(IMAGE, box, 140 * 140) for box in BOXES)
