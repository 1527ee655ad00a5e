"""What goes out to Kafka, byte for byte; pure. The names are a contract."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import ZoomInError
from pipeline.wire.messages import VERDICT_SCHEMA, VerdictEvent
from pipeline.wire.record import RawRecord

DEAD_LETTER_SCHEMA = "dead-letter/1"
DETAIL_CHARACTERS = 512
CONTINUED_BYTES = 256
"""longest header that we take over from a record into what is ours"""
OURS = "zoomin-"
SENT_BY_REPLAY = ("zoomin-event-id", "zoomin-replay")

_BATCH_OVERHEAD_BYTES = 128
_HEADER_OVERHEAD_BYTES = 10

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """Rather too large than too small, and before compression."""
        headers = sum(len(name.encode()) + len(value) + _HEADER_OVERHEAD_BYTES for name, value in self.headers)
        return _BATCH_OVERHEAD_BYTES + len(self.key or b"") + len(self.value or b"") + headers


Compose = Callable[[int], Outgoing]
"""from the largest message that the topic takes, in bytes, to the message"""


def verdict_message(event: VerdictEvent, record: RawRecord, *, traceparent: str | None, limit_bytes: int) -> Outgoing:
    """Keyed as the record, so that its partitioning goes on; without a key, or with one too large, as the object."""
    continued = _bytes(traceparent) if traceparent else _short(record, "traceparent")
    headers = {
        "content-type": b"application/json",
        "zoomin-schema": _bytes(VERDICT_SCHEMA),
        "zoomin-event-id": _bytes(event.event_id),
    } | ({"traceparent": continued} if continued else {})
    keyed_as_object = Outgoing(
        _bytes(f"{event.image.bucket}/{event.image.key}"), event.model_dump_json().encode(), tuple(headers.items())
    )
    keyed_as_record = replace(keyed_as_object, key=record.key)
    return keyed_as_record if record.key and keyed_as_record.size_bytes <= limit_bytes else keyed_as_object


def dead_letter_message(
    record: RawRecord,
    error: ZoomInError,
    *,
    event_id: str | None,
    traceparent: str | None,
    worker: str,
    failed_at: datetime,
    limit_bytes: int,
) -> Outgoing:
    """The record as it came, with our headers behind its own.

    Its own headers stay as they are, `content-type` and `traceparent` too, so that a replay is the record again; a
    header without a value gets an empty one, which is as close as the client can come. What cannot be sent on (larger
    than the topic takes, or without key and value) is left out and marked `zoomin-dlt-value: omitted`.
    """
    own = tuple((name, value or b"") for name, value in record.headers if not name.lower().startswith(OURS))
    if traceparent and record.header("traceparent") is None:
        own += (("traceparent", _bytes(traceparent)),)
    ours = _dead_letter_headers(record, error, event_id=event_id, worker=worker, failed_at=failed_at)
    whole = Outgoing(record.key, record.value, own + ours)
    if whole.size_bytes <= limit_bytes and (record.key, record.value) != (None, None):
        return whole
    without_value = replace(whole, value=b"", headers=(*whole.headers, ("zoomin-dlt-value", b"omitted")))
    if without_value.size_bytes <= limit_bytes:
        return without_value
    return Outgoing(None, b"", (*ours, ("zoomin-dlt-value", b"omitted")))


def _dead_letter_headers(
    record: RawRecord, error: ZoomInError, *, event_id: str | None, worker: str, failed_at: datetime
) -> Headers:
    sent_by_replay = {name: _short(record, name) for name in SENT_BY_REPLAY}
    if event_id is not None:
        sent_by_replay["zoomin-event-id"] = _bytes(event_id)
    about = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp-ms": record.timestamp_ms,
        "code": error.code,
        "stage": error.stage or "unknown",
        "detail": error.detail[:DETAIL_CHARACTERS],
        "attempts": error.attempts,
        "worker": worker,
        "failed-at": failed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return (
        ("zoomin-schema", _bytes(DEAD_LETTER_SCHEMA)),
        *((name, value) for name, value in sent_by_replay.items() if value is not None),
        *((f"zoomin-dlt-{name}", _bytes(str(value))) for name, value in about.items()),
    )


def _short(record: RawRecord, name: str) -> bytes | None:
    value = record.header(name)
    return value if value is not None and len(value) <= CONTINUED_BYTES else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")  # what a sender wrote may hold half a surrogate pair
