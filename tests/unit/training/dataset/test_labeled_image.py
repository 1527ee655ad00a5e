import pytest

from pipeline.verdict import BoundingBox, Verdict
from tests.support.labeled_images import EXPLANATION, build_case_origin, build_image
from training.dataset.labeled_image import Explanations, LabeledImage, Split


def test_boxes_are_regions_and_the_explanation_is_that_of_query_2() -> None:
    image = build_image(0, explanations=Explanations(scan="s", check=EXPLANATION))
    assert (image.regions, image.explanation) == ((BoundingBox(10, 20, 110, 220),), EXPLANATION)
    assert LabeledImage(file="a.png", label=Verdict.REAL).explanation == ""


def test_only_an_image_of_a_built_set_has_a_provenance() -> None:
    assert build_image(0).require_provenance().source_size_px == (640, 480)
    with pytest.raises(AssertionError, match="no built set"):
        LabeledImage(file="a.png", label=Verdict.REAL).require_provenance()


def test_boxes_that_nobody_was_asked_to_draw_differ_from_none_found() -> None:
    unasked = LabeledImage(file="a.png", label=Verdict.REAL)
    assert (unasked.boxes, unasked.regions) == (None, ())
    assert LabeledImage.model_validate_json(unasked.model_dump_json(exclude_none=True)) == unasked
    assert LabeledImage(file="a.png", label=Verdict.REAL, boxes=[]).boxes == []


@pytest.mark.parametrize(("probability", "weight"), [(0.25, 4.0), (1.0, 1.0), (0.0, 0.0)])
def test_an_image_stands_for_the_traffic_that_its_case_was_drawn_from(probability: float, weight: float) -> None:
    assert build_image(0, case=build_case_origin(inclusion_probability=probability)).weight == weight
    assert build_image(0).weight == 1.0, "an image that was not sampled"
    golden = build_image(0, split=Split.GOLDEN, case=build_case_origin(inclusion_probability=probability))
    assert golden.weight == 1.0, "golden images are drawn by the control sample alone"
