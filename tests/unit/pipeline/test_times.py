import argparse
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.times import parse_time

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1.5d", timedelta(days=1.5)),
        (" 2H ", timedelta(hours=2)),
    ],
)
def test_durations_count_back_from_now(text, ago):
    assert parse_time(text, now=NOW) == NOW - ago


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"])
def test_times_are_read_with_their_zone(text):
    assert parse_time(text) == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_time_without_a_zone_is_local():
    assert parse_time("2026-01-31T12:00") == datetime(2026, 1, 31, 12).astimezone(UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "10", "10 m", "-5m", "10y", "999999999999d", "2026-13-01"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(argparse.ArgumentTypeError, match="10m"):
        parse_time(text)
