"""Times as users type them on a command line, of worker and training."""

import argparse
import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_time(text: str, *, now: datetime | None = None) -> datetime:
    """Parse `90s`, `10m`, `2h`, `1d` ago, or an ISO 8601 time (local if it names no zone); a type for argparse."""
    duration = _DURATION.fullmatch(text.strip().lower())
    try:
        if duration:
            return (now or datetime.now(UTC)) - timedelta(seconds=float(duration[1]) * _UNITS_S[duration[2]])
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        problem = f"{text!r} is neither a duration (90s, 10m, 2h, 1d) nor a time (2026-01-31T12:00)"
        raise argparse.ArgumentTypeError(problem) from None
