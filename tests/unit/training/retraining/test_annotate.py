from collections import Counter

from pydantic import SecretStr

from pipeline.verdict import BoundingBox
from tests.support.labeled_images import build_case_origin, build_image
from training.annotation.annotator import Annotation
from training.annotation.endpoint import Endpoint
from training.annotation.purification import Region
from training.dataset.labeled_image import LabeledImage, Split
from training.retraining.annotate import Annotators, complete_row

ENDPOINT = Endpoint("explain", "http://host/v1", SecretStr(""), "some-model", (0.0, 0.0), 1.0, 1)
BOTH = Annotators(ENDPOINT, ENDPOINT)
FOUND = Annotation("The tiles repeat.", (Region(BoundingBox(1, 2, 30, 40), "a tile"),), Counter(), "some-model")


def build_case(**fields: object) -> LabeledImage:
    return build_image(1, case=build_case_origin(), **fields)


def test_only_training_cases_are_annotated_and_only_what_they_lack() -> None:
    bare = build_case(explanation="", boxes=None)
    rows = [
        bare,
        build_case(explanation=""),
        build_case(boxes=None),
        build_case(boxes=[]),
        build_case(explanation="", boxes=None, split=Split.TEST),
        build_image(1, explanation="", boxes=None),
    ]
    assert BOTH.find_lacking(rows) == rows[:3]
    assert Annotators(ENDPOINT, None).find_lacking(rows) == rows[:2]
    assert Annotators(None, ENDPOINT).find_lacking(rows) == [rows[0], rows[2]]
    assert Annotators(None, None).find_lacking(rows) == []


def test_a_verdict_alone_gets_explanation_and_boxes() -> None:
    completed = complete_row(build_case(explanation="", boxes=None, annotated_by="annotators"), FOUND)
    assert (completed.explanation, completed.boxes, completed.shown) == (
        "The tiles repeat.",
        [(1, 2, 30, 40)],
        ["a tile"],
    )
    assert completed.require_provenance().annotated_by == "annotators and some-model"


def test_what_people_drew_and_wrote_stays() -> None:
    row = build_case()
    assert complete_row(row, FOUND) == row
    drawn = build_case(explanation="")
    assert complete_row(drawn, FOUND).boxes == drawn.boxes


def test_an_image_that_endpoints_failed_keeps_its_verdict_alone() -> None:
    row = build_case(explanation="", boxes=None)
    assert complete_row(row, None) == row


def test_the_endpoints_are_named() -> None:
    assert (BOTH.names, Annotators(None, None).names) == (["explain some-model", "explain some-model"], [])
