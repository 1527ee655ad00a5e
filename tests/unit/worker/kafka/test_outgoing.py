"""Keys, headers and bytes of messages, as the contract names them."""

import json
import random
from datetime import UTC, datetime

from pipeline.errors import ImageUndecodable, PersistentRefusal, StoreUnavailable, ZoomInError
from pipeline.wire.record import RawRecord
from tests.support.builders import build_record
from tests.support.verdicts import build_verdict
from worker.kafka.outgoing import (
    LARGEST_UNCOMPRESSED_BYTES,
    OutgoingMessage,
    build_dead_letter_message,
    build_verdict_message,
)

LIMIT = 1_048_588
NOISE = random.Random(0).randbytes(LIMIT)
"""bytes that no compression makes smaller"""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def build_error() -> ZoomInError:
    broken = ImageUndecodable("cut short after 17 bytes")
    broken.stage, broken.attempts = "decode", 3
    return broken


def build_letter(
    of: RawRecord,
    *,
    because: ZoomInError | None = None,
    event_id: str | None = "event-1",
    traceparent: str | None = None,
    limit_bytes: int = LIMIT,
) -> OutgoingMessage:
    return build_dead_letter_message(
        of,
        because or build_error(),
        event_id=event_id,
        traceparent=traceparent,
        worker="worker-1",
        failed_at=datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
        limit_bytes=limit_bytes,
    )


def test_verdict_carries_its_json_and_headers() -> None:
    event = build_verdict(event_id="event-7")
    message = build_verdict_message(event, build_record(key=b"k"), traceparent=TRACE, limit_bytes=LIMIT)
    assert json.loads(message.value or b"") == event.model_dump(mode="json")
    assert dict(message.headers) == {
        "content-type": b"application/json",
        "zoomin-schema": b"verdict/1",
        "zoomin-event-id": b"event-7",
        "traceparent": TRACE.encode(),
    }


def test_verdict_is_keyed_as_the_record_else_as_the_object() -> None:
    event = build_verdict(bucket="photos", key="a b/ü.png")
    as_object = "photos/a b/ü.png".encode()
    for own, key in ((b"own", b"own"), (b"", as_object), (None, as_object), (NOISE, as_object)):
        assert build_verdict_message(event, build_record(key=own), traceparent=None, limit_bytes=LIMIT).key == key


def test_verdict_continues_the_records_trace_when_there_is_none_of_ours() -> None:
    traced = build_record(headers={"traceparent": TRACE.encode()})
    flooded = build_record(headers={"traceparent": b"0" * 100_000})
    for of, found in ((traced, TRACE.encode()), (flooded, None), (build_record(), None)):
        message = build_verdict_message(build_verdict(), of, traceparent=None, limit_bytes=LIMIT)
        assert dict(message.headers).get("traceparent") == found


def test_dead_letter_is_the_record_byte_for_byte_with_our_headers() -> None:
    headers = {"content-type": b"text/plain", "x": b"\xff\x00", "traceparent": TRACE.encode(), "empty": b""}
    message = build_letter(build_record(b"\x00\xffnot json", key=b"\xfe", headers=headers), traceparent="00-other")
    assert (message.key, message.value) == (b"\xfe", b"\x00\xffnot json")
    assert message.headers[:4] == tuple(headers.items())
    assert dict(message.headers[4:]) == {
        "zoomin-schema": b"dead-letter/1",
        "zoomin-event-id": b"event-1",
        "zoomin-dlt-topic": b"zoomin.images",
        "zoomin-dlt-partition": b"3",
        "zoomin-dlt-offset": b"42",
        "zoomin-dlt-timestamp-ms": b"1700000000000",
        "zoomin-dlt-code": b"image_undecodable",
        "zoomin-dlt-stage": b"decode",
        "zoomin-dlt-detail": b"cut short after 17 bytes",
        "zoomin-dlt-attempts": b"3",
        "zoomin-dlt-worker": b"worker-1",
        "zoomin-dlt-failed-at": b"2026-01-02T03:04:05.678Z",
    }


def test_dead_letter_of_an_untraced_record_joins_our_trace() -> None:
    assert build_letter(build_record(), traceparent=TRACE).headers[0] == ("traceparent", TRACE.encode())


def test_incoming_headers_of_our_name_are_dropped_except_what_replay_sends() -> None:
    sent = {"zoomin-dlt-code": b"forged", "Zoomin-Schema": b"x", "zoomin-event-id": b"theirs", "zoomin-replay": b"2"}
    message = build_letter(build_record(headers=sent))
    names = [name for name, _ in message.headers]
    assert len(names) == len(set(names))
    found = dict(message.headers)
    assert found["zoomin-dlt-code"] == b"image_undecodable"
    assert (found["zoomin-event-id"], found["zoomin-replay"]) == (b"event-1", b"2")
    assert "Zoomin-Schema" not in found
    assert dict(build_letter(build_record(headers=sent), event_id=None).headers)["zoomin-event-id"] == b"theirs"


def test_record_without_event_id_has_no_such_header() -> None:
    assert "zoomin-event-id" not in dict(build_letter(build_record(b"{"), event_id=None).headers)


def test_tombstone_stays_one_but_nothing_at_all_is_marked() -> None:
    place = RawRecord("t", 0, 0, 0, b"k", None)
    assert build_letter(place).value is None
    nothing = build_letter(RawRecord("t", 0, 0, 0, None, None))
    assert nothing.value == b""
    assert dict(nothing.headers)["zoomin-dlt-value"] == b"omitted"


def test_record_too_large_for_its_letter_leaves_its_value_behind() -> None:
    big = build_letter(build_record(NOISE[:2000], key=b"k", headers={"x": b"y"}), limit_bytes=2000)
    assert (big.key, big.value) == (b"k", b"")
    assert dict(big.headers)["zoomin-dlt-value"] == b"omitted"
    assert dict(big.headers)["x"] == b"y"
    assert big.size_bytes <= 2000


def test_record_that_fits_once_it_is_compressed_keeps_its_value() -> None:
    record = build_record(b"v" * 100_000, key=b"k")
    letter = build_letter(record, limit_bytes=2000)
    assert (letter.key, letter.value) == (record.key, record.value)
    assert "zoomin-dlt-value" not in dict(letter.headers)


def test_record_that_is_huge_uncompressed_leaves_its_value_behind() -> None:
    letter = build_letter(build_record(bytes(LARGEST_UNCOMPRESSED_BYTES)))
    assert dict(letter.headers)["zoomin-dlt-value"] == b"omitted"


def test_record_whose_key_and_headers_are_too_large_leaves_them_behind_too() -> None:
    flood = {"x": NOISE[:3000], "zoomin-event-id": NOISE[:3000]}
    big = build_letter(build_record(b"v", key=NOISE[:3000], headers=flood), event_id=None, limit_bytes=2000)
    assert (big.key, big.value) == (None, b"")
    assert dict(big.headers)["zoomin-dlt-offset"] == b"42"
    assert big.size_bytes <= 2000


def test_detail_is_cut_and_a_refusal_keeps_its_own_code() -> None:
    refused = PersistentRefusal(StoreUnavailable("d" * 1000))
    found = dict(build_letter(build_record(), because=refused).headers)
    assert len(found["zoomin-dlt-detail"]) == 512
    assert found["zoomin-dlt-code"] == b"store_unavailable"
    assert found["zoomin-dlt-stage"] == b"parse"


def test_half_a_surrogate_pair_in_what_a_sender_wrote_stops_no_letter() -> None:
    found = dict(build_letter(build_record(), because=ImageUndecodable("key a\ud800b")).headers)
    assert found["zoomin-dlt-detail"] == b"key a?b"


def test_headers_without_a_value_become_empty_ones() -> None:
    assert build_letter(build_record(headers={"gone": None})).headers[0] == ("gone", b"")


def test_a_letter_names_the_entry_that_failed_and_where_the_record_of_a_replay_lay_first() -> None:
    error = build_error()
    assert "zoomin-dlt-index" not in dict(build_letter(build_record(), because=error).headers)
    error.index = "3.1"
    replayed = build_record(headers={"zoomin-replay-of": b"images/1@7#3.1", "zoomin-replay": b"1"})
    headers = dict(build_letter(replayed, because=error).headers)
    assert headers["zoomin-dlt-index"] == b"3.1"
    assert headers["zoomin-replay-of"] == b"images/1@7#3.1"
