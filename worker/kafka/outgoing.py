"""Keys, headers and bytes of the messages that we send to Kafka; pure. The names of the headers are a contract."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import ZoomInError
from pipeline.wire.events import EVENT_ID_HEADER, REPLAY_OF_HEADER
from pipeline.wire.messages import VERDICT_SCHEMA, VerdictEvent
from pipeline.wire.record import RawRecord

DEAD_LETTER_SCHEMA = "dead-letter/1"
FIRST_STAGE = "parse"
"""of an error that happened before any stage began"""
DETAIL_CHARACTERS = 512
CONTINUED_BYTES = 256
"""longest header of a record that is copied into a message of ours"""
HEADER_PREFIX = "zoomin-"
REPLAY_HEADER = "zoomin-replay"
REJUDGE_OF_HEADER = "zoomin-rejudge-of"
"""of an event that is sent again: the place of the verdict that shall be replaced"""

LARGEST_UNCOMPRESSED_BYTES = 16 * 1024 * 1024
"""a topic's limit holds for compressed messages; above this size ours are not compressed to see if they fit"""
GZIP_LEVEL = 9
"""of the producers, too: `fits` must not find a message smaller than they make it"""

_BATCH_OVERHEAD_BYTES = 128
_HEADER_OVERHEAD_BYTES = 10

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """An upper estimate of the size before compression."""
        return self._overhead_bytes + len(self.content)

    @property
    def content(self) -> bytes:
        headers = (part for name, value in self.headers for part in (name.encode(), value))
        return b"".join((self.key or b"", self.value or b"", *headers))

    @property
    def _overhead_bytes(self) -> int:
        return _BATCH_OVERHEAD_BYTES + _HEADER_OVERHEAD_BYTES * len(self.headers)

    def fits(self, limit_bytes: int) -> bool:
        """Return whether a topic with this limit takes the message, compressed if need be."""
        if not limit_bytes < self.size_bytes <= LARGEST_UNCOMPRESSED_BYTES:
            return self.size_bytes <= limit_bytes
        return self._overhead_bytes + len(zlib.compress(self.content, GZIP_LEVEL)) <= limit_bytes


MessageBuilder = Callable[[int], OutgoingMessage]
"""builds the message, given the largest size in bytes that its topic takes"""


def build_verdict_message(
    event: VerdictEvent, record: RawRecord, *, traceparent: str | None, limit_bytes: int
) -> OutgoingMessage:
    """Build the verdict's message, keyed as the record; without a usable key there, by the name of the object."""
    continued = _encode(traceparent) if traceparent else _read_short_header(record, "traceparent")
    headers = {
        "content-type": b"application/json",
        "zoomin-schema": _encode(VERDICT_SCHEMA),
        EVENT_ID_HEADER: _encode(event.event_id),
    } | ({"traceparent": continued} if continued else {})
    keyed_as_object = OutgoingMessage(
        _encode(f"{event.image.bucket}/{event.image.key}"), event.model_dump_json().encode(), tuple(headers.items())
    )
    keyed_as_record = replace(keyed_as_object, key=record.key)
    return keyed_as_record if record.key and keyed_as_record.fits(limit_bytes) else keyed_as_object


def build_dead_letter_message(
    record: RawRecord,
    error: ZoomInError,
    *,
    event_id: str | None,
    traceparent: str | None,
    worker: str,
    failed_at: datetime,
    limit_bytes: int,
) -> OutgoingMessage:
    """Build a dead letter: the record as it came, with our headers after its own.

    The record's own headers stay unchanged, `content-type` and `traceparent` too, so that a replay sends the same
    record again; a header without a value gets an empty one, because the client can send no other. A value that cannot
    be sent (larger than the topic takes, or without key and value) is left out and marked `zoomin-dlt-value: omitted`.
    """
    own = tuple((name, value or b"") for name, value in record.headers if not name.lower().startswith(HEADER_PREFIX))
    if traceparent and record.get_header("traceparent") is None:
        own += (("traceparent", _encode(traceparent)),)
    ours = _build_dead_letter_headers(record, error, event_id=event_id, worker=worker, failed_at=failed_at)
    whole = OutgoingMessage(record.key, record.value, own + ours)
    if (record.key, record.value) != (None, None) and whole.fits(limit_bytes):
        return whole
    without_value = replace(whole, value=b"", headers=(*whole.headers, ("zoomin-dlt-value", b"omitted")))
    if without_value.fits(limit_bytes):
        return without_value
    return OutgoingMessage(None, b"", (*ours, ("zoomin-dlt-value", b"omitted")))


def _build_dead_letter_headers(
    record: RawRecord, error: ZoomInError, *, event_id: str | None, worker: str, failed_at: datetime
) -> Headers:
    sent_by_replay = {
        name: _read_short_header(record, name) for name in (EVENT_ID_HEADER, REPLAY_HEADER, REPLAY_OF_HEADER)
    }
    if event_id is not None:
        sent_by_replay[EVENT_ID_HEADER] = _encode(event_id)
    about = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        **({"index": error.index} if error.index else {}),
        "timestamp-ms": record.timestamp_ms,
        "code": error.code,
        "stage": error.stage or FIRST_STAGE,
        "detail": error.detail[:DETAIL_CHARACTERS],
        "attempts": error.attempts,
        "worker": worker,
        "failed-at": failed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return (
        ("zoomin-schema", _encode(DEAD_LETTER_SCHEMA)),
        *((name, value) for name, value in sent_by_replay.items() if value is not None),
        *((f"zoomin-dlt-{name}", _encode(str(value))) for name, value in about.items()),
    )


def _read_short_header(record: RawRecord, name: str) -> bytes | None:
    value = record.get_header(name)
    return value if value is not None and len(value) <= CONTINUED_BYTES else None


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")  # untrusted text may hold half a surrogate pair
