"""Time that a command reads a topic from, and silence of the client's own log."""

import argparse
import logging
import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def silence_kafka_logging() -> None:
    """Switch off the client's log on stderr, several lines a second in an outage; our commands report it themselves."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def parse_time(text: str, *, now: datetime | None = None) -> datetime:
    """Parse `90s`, `10m`, `2h`, `1d` ago, or an ISO 8601 time (local if it names no zone); a type for argparse."""
    duration = _DURATION.fullmatch(text.strip().lower())
    if duration:
        ago = timedelta(seconds=float(duration[1]) * _UNITS_S[duration[2]])
        return (now or datetime.now(UTC)) - ago
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        problem = f"{text!r} is neither a duration (90s, 10m, 2h, 1d) nor a time (2026-01-31T12:00)"
        raise argparse.ArgumentTypeError(problem) from None
