import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.evidence.drawing import (
    ELLIPSIS,
    contain,
    draw_outline,
    draw_rounded,
    make_printable,
    measure_text,
    shorten,
    wrap_text,
)

RED = (255, 0, 0)
BLACK = (0, 0, 0)
WHITE = (255, 255, 255)


@given(st.text(), st.integers(60, 500), st.integers(1, 6))
def test_wrapped_lines_fit_the_width_and_the_number_of_lines(text, width, max_lines):
    lines = wrap_text(make_printable(text), 17, width, max_lines=max_lines)
    assert len(lines) <= max_lines
    assert all(measure_text(line, 17) <= width for line in lines)


def test_wrapping_breaks_between_words_and_loses_none():
    text = "the light falls evenly and the grain is that of a sensor"
    lines = wrap_text(text, 17, 140, max_lines=20)
    assert len(lines) > 2
    assert " ".join(lines) == text


def test_a_word_wider_than_the_line_is_broken():
    lines = wrap_text("x" * 100, 17, 100, max_lines=50)
    assert "".join(lines) == "x" * 100


def test_what_does_not_fit_ends_in_dots():
    lines = wrap_text("word " * 100, 17, 120, max_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith(ELLIPSIS)
    assert not lines[0].endswith(ELLIPSIS)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200), st.integers(60, 400))
def test_shortened_names_fit_and_keep_both_ends(text, width):
    short = shorten(text, 15, width)
    assert measure_text(short, 15) <= width
    assert short == text or (short[:1] == text[:1] and short[-1:] == text[-1:])


@pytest.mark.parametrize(
    ("text", "printed"),
    [("café", "cafe"), ("a\x1b[31mb", "a?[31mb"), ("漢", "?"), ("a\n\tb", "a b"), ("\ud800", "?"), ("~ok!", "~ok!")],
)
def test_printable_has_only_letters_of_the_font(text, printed):
    assert make_printable(text) == printed


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.floats(0.5, 16),
)
def test_contain_stays_inside_and_enlarges_no_further_than_asked(size, room, max_scale):
    fitted = contain(size, room, max_scale=max_scale)
    assert all(1 <= side <= limit for side, limit in zip(fitted, room, strict=True))
    assert all(side <= max(1, round(old * max_scale)) for side, old in zip(fitted, size, strict=True))


def test_an_outline_lies_outside_what_it_frames():
    canvas = Image.new("RGB", (60, 60), WHITE)
    draw_outline(canvas, (20, 20, 40, 40), RED, halo=BLACK, width=3)
    assert canvas.crop((21, 21, 39, 39)).getcolors() == [(18 * 18, WHITE)]
    assert canvas.getpixel((18, 30)) == RED
    assert canvas.getpixel((41, 30)) == RED
    assert canvas.getpixel((16, 30)) == BLACK
    assert canvas.getpixel((10, 30)) == WHITE


def test_rounded_corners_are_round_and_the_middle_is_filled():
    canvas = Image.new("RGB", (40, 40), WHITE)
    draw_rounded(canvas, (0, 0, 40, 40), RED, radius=20)
    assert canvas.getpixel((0, 0)) == WHITE
    assert canvas.getpixel((20, 20)) == RED
    assert canvas.getpixel((20, 0)) != WHITE
