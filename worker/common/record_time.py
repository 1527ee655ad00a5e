"""Reads the timestamps of records: they may be absent (-1), or in another unit than Kafka's milliseconds."""

FIRST_KAFKA_S = 1_293_840_000  # 2011: an earlier time is no timestamp, or one in seconds
CLOCK_SKEW_S = 60.0
"""a time further ahead is no time of writing, or in microseconds"""


def read_record_time(timestamp_ms: int, *, now_s: float) -> float | None:
    """Return the time in seconds since 1970 at which the record was written, or None if its timestamp cannot be it."""
    if FIRST_KAFKA_S * 1000 <= timestamp_ms <= (now_s + CLOCK_SKEW_S) * 1000:
        return timestamp_ms / 1000
    return None
