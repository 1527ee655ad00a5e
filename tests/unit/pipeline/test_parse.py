import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import parse, prompts
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import Verdict

Box = tuple[int, int, int, int]

verdicts = st.sampled_from(Verdict)
numbers = st.integers(0, 9999)
boxes = st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=5)
letters = "".join(c for c in string.printable if c.isprintable() and c != "<")
explanations = st.text(letters, min_size=1).map(str.strip).filter(bool)


@given(verdict=verdicts, listed=boxes, explanation=explanations)
def test_a_rendered_scan_is_read_back(verdict: Verdict, listed: list[Box], explanation: str) -> None:
    text = prompts.render_scan(verdict, listed, explanation)
    assert parse.parse_global_scan(text) == (verdict, listed, explanation)
    assert re.fullmatch(prompts.SCAN_GRAMMAR, text.removeprefix(prompts.ANSWER_START))


@given(verdict=verdicts, explanation=explanations)
def test_a_rendered_check_is_read_back(verdict: Verdict, explanation: str) -> None:
    text = prompts.render_check(verdict, explanation)
    assert parse.parse_local_check(text) == (verdict, explanation)
    assert re.fullmatch(prompts.CHECK_GRAMMAR, text.removeprefix(prompts.ANSWER_START))


@given(verdict=verdicts, listed=boxes, explanation=explanations, share=st.floats(0, 1))
def test_a_cut_scan_is_read_as_far_as_it_goes(
    verdict: Verdict, listed: list[Box], explanation: str, share: float
) -> None:
    text = prompts.render_scan(verdict, listed, explanation)
    decided = text.index("</verdict>") + len("</verdict>")
    cut = text[: decided + int(share * (len(text) - decided))]
    read_verdict, read_boxes, read_explanation = parse.parse_global_scan(cut, truncated=True)
    assert read_verdict is verdict
    assert read_boxes == listed[: len(read_boxes)]
    assert explanation.startswith(read_explanation)
    if "<explanation>" in cut:
        assert (read_boxes, read_explanation) == (listed, cut.partition("<explanation>")[2].partition("<")[0].strip())


@given(verdict=verdicts, explanation=explanations, share=st.floats(0, 1))
def test_a_cut_check_is_read_as_far_as_it_goes(verdict: Verdict, explanation: str, share: float) -> None:
    text = prompts.render_check(verdict, explanation)
    decided = text.index("</verdict>") + len("</verdict>")
    read_verdict, read_explanation = parse.parse_local_check(
        text[: decided + int(share * (len(text) - decided))], truncated=True
    )
    assert read_verdict is verdict
    assert explanation.startswith(read_explanation)


def test_blanks_and_capitals_between_the_parts_are_tolerated() -> None:
    text = " <verdict> Real </verdict>\n<boxes> [1, 2,3 ,4]\n[5,6,7,8] </boxes>\n<explanation> why \n</explanation>\n"
    assert parse.parse_global_scan(text) == (Verdict.REAL, [(1, 2, 3, 4), (5, 6, 7, 8)], "why")


SCAN = "<verdict>real</verdict><boxes>[1,2,3,4]</boxes><explanation>x</explanation>"
CHECK = "<verdict>real</verdict><explanation>x</explanation>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "real",
        CHECK,
        SCAN.replace("real", "fake"),
        SCAN.replace("real", ""),
        SCAN.replace("[1,2,3,4]", "[1,2,3]"),
        SCAN.replace("[1,2,3,4]", "[1,2,3,-4]"),
        SCAN.replace("[1,2,3,4]", "[1.5,2,3,4]"),
        SCAN.replace("[1,2,3,4]", "[1,2,3,1234567]"),
        SCAN.replace("[1,2,3,4]", "none"),
        SCAN.replace(">x<", "><verdict>generated</verdict><"),
        SCAN + "<verdict>generated</verdict>",
        "I think: " + SCAN,
        SCAN.removesuffix("</explanation>"),
        SCAN.partition("<explanation>")[0],
    ],
)
def test_anything_else_is_unreadable_as_a_scan(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        parse.parse_global_scan(text)


@pytest.mark.parametrize("text", ["", SCAN, CHECK + CHECK, "so " + CHECK, CHECK.removesuffix("</explanation>")])
def test_anything_else_is_unreadable_as_a_check(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        parse.parse_local_check(text)


@pytest.mark.parametrize(
    "text", ["", "<verdict>re", "<verdict>real</verdict>, I think", "<verdict>real</verdict><boxes>none", "so " + SCAN]
)
def test_a_cut_excuses_only_the_end(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        parse.parse_global_scan(text, truncated=True)


def test_an_explanation_can_always_be_written_down() -> None:
    assert parse.parse_local_check(CHECK.replace(">x<", ">a\ud800b<")) == (Verdict.REAL, "a?b")
