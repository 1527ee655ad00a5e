import io

from rich.console import Console

from tests.support.estimate_reports import build_report
from training.estimates.tables import format_need, print_report
from training.evaluation.summary import Json


def render(report: Json) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_estimates_groups_drift_and_what_was_left_out_are_printed() -> None:
    text = render(build_report())
    assert "Accuracy           0.900  0.8" in text
    assert "30 short" in text
    assert "120 sampled cases: 120 decided" in text
    assert "Accuracy, certain" in text
    assert "source app: accuracy 0.8" in text
    assert "left out, case_unreadable: 1 (cases/<odd>.json)" in text
    assert "alarm" in text
    assert "2 lines are no verdicts:" in text
    assert "stdin line 1: no JSON" in text


def test_a_part_that_was_not_asked_for_is_not_printed() -> None:
    assert render({**build_report(), "estimates": None, "drift": None}) == ""


def test_a_quantity_says_what_it_needs() -> None:
    missing = {"value": None, "labels_to_estimate": 12, "labels_to_halve": None}
    assert format_need(missing) == "about 12 more labels for an estimate"
    assert "none of the labeled cases" in format_need({**missing, "labels_to_estimate": None})
    assert format_need({"value": 1, "labels_to_estimate": 0, "labels_to_halve": 300}).startswith("300 more labels")
