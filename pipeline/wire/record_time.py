"""Reads the timestamps of records: they may be absent (-1), or in another unit than Kafka's milliseconds."""

from datetime import UTC, datetime

from pipeline.wire.messages import VerdictEvent

FIRST_KAFKA_S = 1_293_840_000  # 2011: an earlier time is no timestamp, or one in seconds
CLOCK_SKEW_S = 60.0
"""a time further ahead is no time of writing, or in microseconds"""


def read_record_time(timestamp_ms: int, *, now_s: float) -> float | None:
    """Return the time in seconds since 1970 at which the record was written, or None if its timestamp cannot be it."""
    if FIRST_KAFKA_S * 1000 <= timestamp_ms <= (now_s + CLOCK_SKEW_S) * 1000:
        return timestamp_ms / 1000
    return None


def find_record_time(verdict: VerdictEvent) -> datetime:
    """Return when the verdict's record was written, or when it was judged if the record's timestamp cannot be right."""
    decided_s = verdict.decided_at.timestamp()
    written_s = read_record_time(verdict.record.timestamp_ms, now_s=decided_s)
    return datetime.fromtimestamp(decided_s if written_s is None else written_s, UTC)
