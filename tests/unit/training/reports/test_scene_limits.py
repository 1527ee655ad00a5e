from PIL import Image

from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.evaluation.samples import Sample
from training.reports import scene_limits

G = Verdict.GENERATED
BOX = BoundingBox(10, 10, 60, 60)


def test_planted_photographs_are_not_taken_for_scenes() -> None:
    reference = "Crop 1: texture with a checkerboard residue."
    image = RgbImage(Image.new("RGB", (9, 9)), "png")
    assert not scene_limits.are_scenes([Sample(0, image, G, (BOX,), reference)])
    assert scene_limits.are_scenes([Sample(0, image, G, (BOX,), reference.replace("texture", "fabric"))])


def test_the_first_limit_names_the_bound_of_the_view() -> None:
    assert "0.788" in scene_limits.list_scene_limits()[0]
