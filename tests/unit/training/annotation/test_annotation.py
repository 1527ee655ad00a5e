import re

import numpy as np
import pytest
from PIL import Image

from pipeline import parse, prompts
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Verdict
from training.annotation import annotation
from training.annotation.annotation import GroundedBox

PICTURE = Image.new("RGB", (504, 504), "gray")


def test_the_label_is_told() -> None:
    assert "made by a generative model" in annotation.build_explanation_question(PICTURE, Verdict.GENERATED).text
    assert "real photograph" in annotation.build_explanation_question(PICTURE, Verdict.REAL).text


def test_grounding_says_what_boxes_are_counted_in() -> None:
    told = annotation.build_grounding_question(PICTURE, Verdict.REAL, "The {cup} shines.", "pixels").text
    assert "The {cup} shines." in told
    assert "pixels of this image of 504 x 504" in told
    assert "thousandths" in annotation.build_grounding_question(PICTURE, Verdict.REAL, "It shines.", "thousand").text


def test_purification_marks_the_box_and_leaves_the_picture_alone() -> None:
    asked = annotation.build_purification_question(PICTURE, BoundingBox(10, 20, 110, 220))
    assert "[10,20,110,220]" in asked.text
    changed = np.argwhere(np.asarray(asked.picture) != np.asarray(PICTURE))
    assert changed.min(0)[:2].tolist() == [20, 10]
    assert changed.max(0)[:2].tolist() == [219, 109]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            "  The **hand** has\n\nsix fingers \u2013 and its \u201cring\u201d melts. ",
            'The hand has six fingers - and its "ring" melts.',
        ),
        ("The caf\u00e9 sign reads a < b > c in odd letters", "The cafe sign reads a ( b ) c in odd letters"),
        (
            "<verdict>real</verdict><boxes>[1,2,3,4]</boxes><explanation>Both shadows fall to the left.</explanation>",
            "real Both shadows fall to the left.",
        ),
    ],
)
def test_an_explanation_becomes_a_line_that_a_model_can_be_trained_on(text: str, read: str) -> None:
    explanation = annotation.parse_explanation(text)
    assert explanation == read
    answer = prompts.render_check(Verdict.REAL, explanation)
    assert parse.parse_local_check(answer) == (Verdict.REAL, explanation)
    assert re.fullmatch(prompts.CHECK_GRAMMAR, answer.removeprefix(prompts.ANSWER_START))


def test_what_people_say_may_be_short() -> None:
    assert annotation.reduce_prose(" six <b>fingers</b>\n") == "six fingers"
    assert annotation.reduce_prose("") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Unclear.",
        "[1,2,3,4] [5,6,7,8]",
        "I'm sorry, but I can't help with identifying whether this is real.",
        "I\u2019m sorry, I cannot help with that image at all.",
        "\u3053\u306e\u753b\u50cf\u306f\u672c\u7269\u3067\u3059 the hand has six long fingers "
        "\u6307\u304c\u516d\u672c\u3042\u308a\u307e\u3059\u304b\u3089",
        "\x00\x01\x02\x03\x04",
    ],
)
def test_what_explains_nothing_is_unreadable(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        annotation.parse_explanation(text)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ('[{"bbox_2d": [1, 2, 30, 40], "label": "a hand"}]', [GroundedBox((1, 2, 30, 40), "a hand")]),
        ('```json\n[{"bbox_2d": [1.5, 2, 3, 4]}]\n```', [GroundedBox((1.5, 2, 3, 4), "")]),
        ("[]", []),
        ("```json\n[ ]\n```", []),
        ("<boxes>[1,2,3,4][5,6,7,8]</boxes>", [GroundedBox((1, 2, 3, 4), ""), GroundedBox((5, 6, 7, 8), "")]),
        ('[{"bbox_2d": [1, 2, 3, 4], "label": "cut sh', [GroundedBox((1, 2, 3, 4), "")]),
        ('[{"bbox_2d": [-5, 2, 3, 4], "label": null}]', [GroundedBox((-5, 2, 3, 4), "")]),
    ],
)
def test_boxes_are_read_as_models_write_them(text: str, boxes: list[GroundedBox]) -> None:
    assert annotation.parse_boxes(text) == boxes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There are none.",
        "[1,2,3]",
        '[{"bbox_2d": [1, 2, 3]}]',
        '[{"bbox_2d": [NaN, 2, 3, 4]}]',
        '[{"bbox_2d": "1234"}, 5]',
        "[" * 100_000,
        "[1e400,2,3,4]",
    ],
)
def test_an_answer_without_boxes_is_unreadable(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        annotation.parse_boxes(text)


@pytest.mark.parametrize(("text", "yes"), [("Yes.", True), (" **no**, a part", False), ("YES", True), ("No", False)])
def test_yes_and_no(text: str, yes: bool) -> None:
    assert annotation.parse_yes_no(text) is yes


@pytest.mark.parametrize("text", ["", "Perhaps", "Yesterday", "Nothing", "It does: yes"])
def test_neither_yes_nor_no(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        annotation.parse_yes_no(text)
