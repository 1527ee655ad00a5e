from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import JsonValue

from pipeline.wire.labels import LabelOrigin, LabelVerdict
from tests.support.annotations import SUBMITTED, Result, build_annotation, build_box, build_result
from tests.support.labels import build_case
from tests.support.verdicts import build_verdict
from training.label_studio.annotations import (
    MAX_DETAIL,
    MAX_EXPLANATION,
    RefusalReason,
    Refused,
    name_label,
    read_annotation,
)
from training.label_studio.config import GUIDELINE_VERSION

CASE = build_case(build_verdict(), blind=True)
BOX = (10, 20, 60, 90)


def test_an_annotation_becomes_a_label() -> None:
    annotation = build_annotation(build_result(verdict="real", boxes=[BOX], text="  Grain.\n"))
    label = read_annotation(annotation, CASE, {"label_studio:3": "before", "label_studio:4": "other"})
    assert (label.verdict, label.boxes, label.explanation) == (LabelVerdict.REAL, [BOX], "Grain.")
    assert (label.case_id, label.event_id, label.image_sha256) == (CASE.case_id, CASE.event_id, CASE.image.sha256)
    assert (label.annotator, label.origin, label.blind) == ("label_studio:3", LabelOrigin.LABEL_STUDIO, True)
    assert (label.seconds_spent, label.created_at, label.supersedes) == (7.5, SUBMITTED, "before")
    assert label.guideline_version == GUIDELINE_VERSION


def test_who_saw_the_box_tool_and_drew_nothing_found_none() -> None:
    label = read_annotation(build_annotation(build_result(text="  ")), CASE, {})
    assert label.boxes == [], "null would say that nobody was asked"
    assert label.explanation is None


def test_a_change_is_another_label_and_a_repeat_is_the_same() -> None:
    first, later = build_annotation(), build_annotation(updated_at=SUBMITTED + timedelta(microseconds=1))
    assert name_label("case", first) == name_label("case", build_annotation())
    assert len({name_label("case", first), name_label("case", later), name_label("other", first)}) == 3
    assert name_label("case", first) != name_label("case", build_annotation(user=4))


@given(st.integers(1, 5000), st.integers(1, 5000), st.tuples(*(st.floats(0, 1, allow_nan=False) for _ in range(4))))
def test_a_drawn_box_is_off_by_half_a_pixel_at_most(
    width: int, height: int, sides: tuple[float, float, float, float]
) -> None:
    (left, right), (top, bottom) = sorted(sides[:2]), sorted(sides[2:])
    assume((right - left) * width > 1)
    assume((bottom - top) * height > 1)
    percent = {"x": left * 100, "y": top * 100, "width": (right - left) * 100, "height": (bottom - top) * 100}
    case = build_case(build_verdict(size=(width, height)))
    result = [*build_result(), build_box((0, 0, 1, 1), size=(width, height), value={**percent})]
    label = read_annotation(build_annotation(result), case, {})
    assert label.boxes is not None
    drawn = (left * width, top * height, right * width, bottom * height)
    assert max(abs(a - b) for a, b in zip(label.boxes[0], drawn, strict=True)) <= 0.5 + 1e-6


BROKEN_BOX: Result = {"type": "rectanglelabels", "from_name": "region", "value": {"x": 1}}
PLAIN_BOX: Result = build_box(BOX) | {"type": "rectangle", "value": {"x": 1, "y": 1, "width": 1, "height": 1}}
BANANA: Result = {"type": "choices", "from_name": "banana", "value": {"choices": ["real"]}}
LONG = build_result(verdict=None, text="x" * (MAX_EXPLANATION + 1))


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (build_result(), RefusalReason.UNKNOWN_VERDICT),
        ([build_box(BOX, label=None)], RefusalReason.BOX_WITHOUT_LABEL),
        ([PLAIN_BOX], RefusalReason.BOX_WITHOUT_LABEL),
        ([build_box(BOX, label="cat")], RefusalReason.OTHER_CONFIG),
        ([build_box(BOX, value={"rotation": 5})], RefusalReason.ROTATED),
        ([build_box(BOX) | {"image_rotation": 90}], RefusalReason.ROTATED),
        ([build_box(BOX, size=(511, 512))], RefusalReason.OTHER_FRAME),
        ([build_box(BOX, value={"x": -5})], RefusalReason.BOX_OUTSIDE),
        ([build_box(BOX, value={"width": 200})], RefusalReason.BOX_OUTSIDE),
        ([build_box(BOX, value={"height": 0})], RefusalReason.BOX_EMPTY),
        ([build_box(BOX, value={"height": -1})], RefusalReason.BOX_EMPTY),
        ([build_box(BOX, value={"x": "left"})], RefusalReason.OTHER_CONFIG),
        ([build_box(BOX, value={"x": 1e308, "width": -1e308})], RefusalReason.OTHER_CONFIG),
        ([1], RefusalReason.OTHER_CONFIG),
        (["\x1b[2J"], RefusalReason.OTHER_CONFIG),
        ([build_box(BOX)] * 101, RefusalReason.TOO_MANY_BOXES),
        ([BANANA], RefusalReason.OTHER_CONFIG),
        ([BROKEN_BOX], RefusalReason.OTHER_CONFIG),
        ([{}], RefusalReason.OTHER_CONFIG),
        (LONG, RefusalReason.TEXT_TOO_LONG),
    ],
)
def test_what_the_server_let_pass_is_refused_with_its_reason(added: list[JsonValue], reason: RefusalReason) -> None:
    annotation = build_annotation().model_copy(update={"result": [*build_result(), *added]})
    with pytest.raises(Refused) as refused:
        read_annotation(annotation, CASE, {})
    assert refused.value.reason is reason


def test_a_detail_is_short_and_holds_nothing_that_steers_a_terminal() -> None:
    annotation = build_annotation([{"from_name": "\x1b[2J" + "x" * 5_000_000, "type": "choices"}])
    with pytest.raises(Refused) as refused:
        read_annotation(annotation, CASE, {})
    assert len(refused.value.detail) <= MAX_DETAIL
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize(
    ("verdict", "reason"), [(None, RefusalReason.NO_VERDICT), ("banana", RefusalReason.UNKNOWN_VERDICT)]
)
def test_a_verdict_is_one_of_three(verdict: str | None, reason: RefusalReason) -> None:
    with pytest.raises(Refused) as refused:
        read_annotation(build_annotation(build_result(verdict=verdict, boxes=[BOX])), CASE, {})
    assert refused.value.reason is reason


def test_an_annotation_of_nobody_is_refused() -> None:
    annotation = build_annotation().model_copy(update={"completed_by": None, "updated_by": None})
    with pytest.raises(Refused, match="no_annotator"):
        read_annotation(annotation, CASE, {})


def test_who_changed_an_annotation_is_its_author() -> None:
    annotation = build_annotation().model_copy(update={"updated_by": 9})
    assert read_annotation(annotation, CASE, {}).annotator == "label_studio:9"
