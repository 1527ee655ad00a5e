import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Size, clip
from pipeline.wire.labels import LabelCase
from pipeline.wire.messages import Box
from tests.support.labels import build_case
from tests.support.verdicts import build_verdict
from training.label_studio.tasks import build_task, convert_to_percent, convert_to_pixels, find_case_problem

BOXES = [(10, 20, 60, 90), (0, 0, 512, 512)]


@st.composite
def boxes_in_images(draw: st.DrawFn) -> tuple[Box, Size]:
    width, height = draw(st.integers(1, 20_000)), draw(st.integers(1, 20_000))
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (x1, y1, draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))), (width, height)


@given(boxes_in_images())
def test_a_box_that_nobody_touches_comes_back_as_it_was(drawn: tuple[Box, Size]) -> None:
    box, size = drawn
    back = clip(convert_to_pixels(convert_to_percent(box, size), size), size)
    assert back is not None
    assert back.corners == box


def test_a_task_shows_image_evidence_and_boxes() -> None:
    case = build_case(build_verdict(zoomed=BOXES))
    task = build_task(case, "labels")
    assert task["data"].keys() == {"case_id", "image", "evidence"}
    assert task["data"]["image"] == f"s3://labels/images/{case.image.sha256}.png"
    (prediction,) = task["predictions"]
    assert prediction["score"] == case.verdict_event.confidence
    assert {region["type"] for region in prediction["result"]} == {"rectanglelabels"}, "no verdict is filled in"
    assert [region["value"] for region in prediction["result"]] == [
        convert_to_percent(box, (512, 512)) | {"rotation": 0, "rectanglelabels": ["artifact"]} for box in BOXES
    ]


def test_a_blind_task_has_neither_evidence_nor_boxes() -> None:
    task = build_task(build_case(build_verdict(zoomed=BOXES), blind=True), "labels")
    assert (task["data"]["evidence"], task["predictions"]) == ("", [])


@pytest.mark.parametrize("blind", [False, True])
def test_a_task_does_not_say_why_it_was_drawn_or_from_where_it_came(blind: bool) -> None:
    event = build_verdict(source="SOURCE", key="KEY.png", bucket="BUCKET", event_id="EVENT")
    case = build_case(event, reasons=["REASON"], blind=blind).model_copy(update={"case_id": "case"})
    sent = json.dumps(build_task(case, "labels"))
    assert not [word for word in ("SOURCE", "KEY", "BUCKET", "EVENT", "REASON", "0.05") if word in sent]


def change(case: LabelCase, **fields: object) -> LabelCase:
    return case.model_copy(update=fields)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (build_case(build_verdict(zoomed=BOXES)), None),
        (
            build_case(build_verdict(zoomed=[(10, 20, 513, 90)])),
            "verdict_event.scan.regions.0.box: [10, 20, 513, 90] is not inside 512 x 512 px",
        ),
        (build_case(build_verdict(idle=[(9, 9, 9, 90)])), "verdict_event.scan.regions.0.box"),
        (change(build_case(build_verdict()), case_id=""), "case_id: is empty"),
        (
            change(build_case(build_verdict()), image=build_case(build_verdict(size=(9, 9))).image),
            "verdict_event.image: has another size",
        ),
        (
            change(
                build_case(build_verdict()),
                image=build_case(build_verdict()).image.model_copy(update={"object_key": "cases/x.json"}),
            ),
            "image.object_key: cases/x.json is not below images/",
        ),
        (build_case(build_verdict(size=(0, 9))), "image: 0 x 9 px is no size"),
    ],
)
def test_a_case_that_cannot_be_shown_is_named_by_its_field(case: LabelCase, problem: str | None) -> None:
    found = find_case_problem(case)
    assert found is None if problem is None else problem in (found or "")
