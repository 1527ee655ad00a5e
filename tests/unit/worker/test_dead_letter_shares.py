"""Most recent answers with one code are an alarm, whatever the code; a mixture of codes is none."""

import pytest

from pipeline import errors
from worker.dead_letter_shares import CURES, MINIMUM, WINDOW, DeadLetterShares, ShareAlarm


def count_all(shares: DeadLetterShares, *codes: str | None) -> list[tuple[str, bool]]:
    return [(alarm.code, alarm.raised) for code in codes for alarm in shares.count(code)]


@pytest.mark.parametrize("code", ["image_changed", "image_missing", "bucket_forbidden", "a_code_of_tomorrow"])
def test_one_code_for_most_answers_is_an_alarm_once(code: str) -> None:
    assert count_all(DeadLetterShares(), *[code] * 2 * WINDOW) == [(code, True)]


def test_few_letters_are_no_alarm() -> None:
    assert count_all(DeadLetterShares(), *["image_changed"] * (MINIMUM - 1)) == []


def test_an_alarm_says_how_many_of_the_recent_answers_it_is_about() -> None:
    shares = DeadLetterShares()
    assert count_all(shares, *[None] * MINIMUM, *["image_missing"] * (MINIMUM - 1)) == []
    assert shares.count("image_missing") == [ShareAlarm("image_missing", 0.5, raised=True)]


def test_many_codes_with_small_shares_are_no_alarm() -> None:
    assert count_all(DeadLetterShares(), *["image_missing", "image_changed", "image_refused"] * WINDOW) == []


def test_an_alarm_ends_when_answers_are_verdicts_again_and_may_come_back() -> None:
    shares = DeadLetterShares()
    assert count_all(shares, *["image_changed"] * WINDOW) == [("image_changed", True)]
    assert count_all(shares, *[None] * (WINDOW // 2 + 1)) == [], "a share just below the bound ends nothing"
    assert count_all(shares, *[None] * (WINDOW // 2)) == [("image_changed", False)]
    assert count_all(shares, *["image_changed"] * WINDOW) == [("image_changed", True)]


def test_shares_are_those_of_the_window_and_fall_to_zero() -> None:
    shares = DeadLetterShares()
    count_all(shares, "image_missing", None, None, None)
    assert shares.shares == {"image_missing": 0.25}
    count_all(shares, *[None] * WINDOW)
    assert shares.shares == {"image_missing": 0.0}


def test_cures_are_of_codes_that_there_are() -> None:
    poison = errors.PoisonError.__subclasses__() + errors.TransientError.__subclasses__()
    assert CURES.keys() <= {error("").code for error in poison if error is not errors.PersistentRefusal}
    assert ShareAlarm("image_refused", 1.0, raised=True).cure != ShareAlarm("image_changed", 1.0, raised=True).cure
