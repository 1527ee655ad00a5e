from typing import Any

import pytest

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelCase, LabelOrigin, LabelVerdict
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict
from training.dataset.labeled_image import LabeledImage
from training.labeling.adjudication import adjudicate
from training.labeling.labeled_case import build_labeled_image

BOX, OTHER = (10, 20, 110, 120), (200, 200, 300, 300)


def build_inspected_case(**fields: Any) -> LabelCase:
    return build_case(
        build_verdict(zoomed=[BOX], idle=[OTHER], check_explanation="Crop 1 repeats its weave."), **fields
    )


def label_case(case: LabelCase, **fields: Any) -> LabeledImage:
    return build_labeled_image(case, adjudicate([build_label(case, **fields)]), "a.png")


def test_a_verdict_alone_becomes_an_image_without_boxes_and_words() -> None:
    case = build_inspected_case(reasons=["corrected"], inclusion_probability=0.5, blind=True)
    image = label_case(case, verdict=LabelVerdict.REAL, blind=True)
    assert (image.label, image.boxes, image.explanations, image.source) == (Verdict.REAL, None, None, "web")
    assert image.case is not None
    assert (image.case.case_id, image.case.reasons, image.weight) == (case.case_id, ["corrected"], 2.0)
    assert (image.case.label_origin, image.case.blind) == (LabelOrigin.LABEL_STUDIO, True)


def test_the_models_answer_counts_as_a_persons_where_it_was_shown_and_left_unchanged() -> None:
    image = label_case(build_inspected_case(), boxes=[OTHER, BOX])
    assert image.case is not None
    assert image.case.model_answer_kept
    assert (image.boxes, image.explanation) == ([OTHER, BOX], "Crop 1 repeats its weave.")


@pytest.mark.parametrize(
    "changed",
    [
        {"verdict": LabelVerdict.REAL},
        {"boxes": [BOX]},
        {"boxes": None},
        {"blind": True},
        {"origin": LabelOrigin.REVIEW},
        {"explanation": "Six fingers."},
    ],
    ids=str,
)
def test_an_answer_that_was_changed_or_not_shown_is_not_the_models(changed: dict[str, Any]) -> None:
    fields = {"boxes": [BOX, OTHER], "explanation": None} | changed
    image = label_case(build_inspected_case(), **fields)
    assert image.case is not None
    assert not image.case.model_answer_kept
    assert (image.boxes, image.explanation) == (fields["boxes"], fields["explanation"] or "")
