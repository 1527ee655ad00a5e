from worker.common.draws import draw

NAMES = [f"event-{number}" for number in range(4000)]


def draw_all(decision: str, fraction: float, salt: bytes = b"salt") -> set[str]:
    return {name for name in NAMES if draw(decision, fraction, name, salt)}


def test_about_the_fraction_is_drawn_and_a_higher_one_draws_the_same_and_more() -> None:
    tenth, half = draw_all("share", 0.1), draw_all("share", 0.5)
    assert 300 < len(tenth) < 500
    assert tenth < half
    assert draw_all("share", 1.0) == set(NAMES)
    assert not draw_all("share", 0.0)


def test_decisions_and_salts_draw_independently() -> None:
    share, control = draw_all("share", 0.5), draw_all("control", 0.5)
    assert 800 < len(share & control) < 1200
    assert draw_all("share", 0.5, b"another salt") != share


def test_a_name_that_is_no_proper_text_is_drawn_like_any_other() -> None:
    assert draw("share", 1.0, "half a pair \ud800", b"") is True
