import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.support.verdicts import build_verdict
from worker.cli.terminal import (
    build_console,
    build_evidence_line,
    build_headline,
    escape_unprintable,
    print_verdict,
    print_verdict_details,
)

EVIL = "a[red]b[/red]\x1b[2J\r\n\u202e\x07:smile:.png"


def print_to_text(event, *, width=200, terminal=True):
    out = io.StringIO()
    print_verdict(Console(file=out, force_terminal=terminal, width=width, color_system=None), event)
    return out.getvalue()


@given(st.text())
def test_nothing_that_a_terminal_obeys_or_hides_gets_through(text):
    assert escape_unprintable(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_of_any_script_stay(text):
    assert escape_unprintable(text) == text


def test_keys_and_explanations_cannot_paint_the_terminal():
    text = print_to_text(build_verdict(key=EVIL, check_explanation=EVIL))
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert text.count("[red]b[/red]\\x1b[2J\\r\\n\\u202e\\x07:smile:.png") == 2


def test_a_correction_is_an_arrow_from_the_scan_to_the_verdict():
    assert "generated \N{RIGHTWARDS ARROW} real" in build_headline(build_verdict(scan="generated", check="real")).plain
    assert "\N{RIGHTWARDS ARROW}" not in build_headline(build_verdict(scan="real", check="real")).plain


def test_verdicts_differ_in_colour():
    def find_styles(event):
        return {str(span.style) for span in build_headline(event).spans if "bold" in str(span.style)}

    assert find_styles(build_verdict(scan="real", check="real")) != find_styles(
        build_verdict(scan="generated", check="generated")
    )


def test_the_lines_carry_confidence_regions_latency_and_image():
    event = build_verdict(zoomed=[(1, 2, 3, 4), (5, 6, 7, 8)], idle=[(9, 9, 10, 10)])
    sent_ms = int(event.decided_at.timestamp() * 1000) - 1500
    event = event.model_copy(update={"record": event.record.model_copy(update={"timestamp_ms": sent_ms})})
    for part in ["97%", "2 regions", "1.50 s", "s3://uploads/a/photo.png"]:
        assert part in build_headline(event).plain
    assert "[1,2,3,4] [5,6,7,8]  Crop 1" in build_evidence_line(event).plain
    assert "9,9" not in build_evidence_line(event).plain


@pytest.mark.parametrize(
    ("event", "remark"),
    [
        (build_verdict(check=None), "degraded"),
        (build_verdict(scan="real", check="real"), "ungrounded"),
        (build_verdict(scan="real", check="real", zoomed=[(1, 2, 3, 4)], uncertain=True), "uncertain"),
        (build_verdict(scan="generated", check="generated", p_generated=0.47), "ungrounded, overruled"),
    ],
)
def test_what_is_odd_about_a_verdict_is_said(event, remark):
    assert remark in build_headline(event).plain


def test_the_history_is_what_the_model_wrote_and_the_verdict_what_is_published():
    event = build_verdict(scan="real", check="generated", zoomed=[(1, 2, 3, 4)], p_generated=0.47)
    headline = build_headline(event).plain
    assert "real       53%" in headline
    assert "real \N{RIGHTWARDS ARROW} generated" in headline
    console = build_console(io.StringIO())
    print_verdict_details(console, event)
    assert "REAL  53%  corrected by Query 2, overruled by its probability" in console.file.getvalue()


def test_the_second_line_says_what_is_odd_about_the_image():
    line = build_evidence_line(build_verdict(zoomed=[(1, 2, 3, 4)], frames=8, frame=2, repaired=True)).plain
    assert "frame 3 of 8  repaired  [1,2,3,4]" in line
    assert "frame" not in build_evidence_line(build_verdict()).plain


def test_the_details_say_what_is_odd_about_the_image():
    console = build_console(io.StringIO())
    print_verdict_details(console, build_verdict(frames=8, frame=2, repaired=True))
    assert "512 x 512 png, frame 3 of 8, repaired" in console.file.getvalue()


def test_lines_are_cut_at_the_edge_of_a_terminal_and_whole_elsewhere():
    event = build_verdict(key="k" * 300)
    assert all(len(line) <= 80 for line in print_to_text(event, width=80).splitlines())
    assert "k" * 300 in print_to_text(event, width=80, terminal=False)
