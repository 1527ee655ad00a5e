from pipeline import prompts
from pipeline.verdict import BoundingBox, Verdict
from training.runs import completions
from training.runs.completions import UNREADABLE, ParsedCompletion

SCAN = prompts.render_scan(Verdict.GENERATED, [(0, 0, 500, 500)], "a seam")


def read_scan(text: str, *, truncated: bool = False) -> ParsedCompletion:
    return completions.read_scan_completion(
        text, frame="thousand", view=(140, 140), image=(512, 256), truncated=truncated
    )


def test_boxes_of_a_scan_are_pixels_of_the_full_size() -> None:
    assert read_scan(SCAN) == ParsedCompletion(Verdict.GENERATED, (BoundingBox(0, 0, 256, 128),), "a seam")


def test_a_check_has_no_boxes() -> None:
    text = prompts.render_check(Verdict.REAL, "plain ground")
    assert completions.read_check_completion(text) == ParsedCompletion(Verdict.REAL, (), "plain ground")


def test_a_truncated_answer_is_read_as_far_as_it_goes() -> None:
    cut = SCAN[: SCAN.index("seam")]
    assert read_scan(cut, truncated=True).verdict is Verdict.GENERATED
    assert read_scan(cut) is UNREADABLE


def test_what_the_parser_refuses_is_unreadable() -> None:
    assert read_scan("no answer") is UNREADABLE
    assert completions.read_check_completion("no answer") is UNREADABLE
