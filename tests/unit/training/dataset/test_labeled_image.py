import pytest

from pipeline.verdict import BoundingBox, Verdict
from tests.support.labeled_images import EXPLANATION, build_image
from training.dataset.labeled_image import Explanations, LabeledImage


def test_boxes_are_regions_and_the_explanation_is_that_of_query_2() -> None:
    image = build_image(0, explanations=Explanations(scan="s", check=EXPLANATION))
    assert (image.regions, image.explanation) == ((BoundingBox(10, 20, 110, 220),), EXPLANATION)
    assert LabeledImage(file="a.png", label=Verdict.REAL).explanation == ""


def test_only_an_image_of_a_built_set_has_a_provenance() -> None:
    assert build_image(0).require_provenance().source_size_px == (640, 480)
    with pytest.raises(AssertionError, match="no built set"):
        LabeledImage(file="a.png", label=Verdict.REAL).require_provenance()
