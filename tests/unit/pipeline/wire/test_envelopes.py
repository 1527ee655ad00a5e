import base64
import json
from collections.abc import Callable

import pytest

from pipeline.wire.entries import ImageEvent, ImageRef, RefusedEntry
from pipeline.wire.events import parse_record
from tests.support.builders import AWS, build_bridge_event, build_notification, build_record
from tests.support.entries import hash_identity, read_events, read_ignored, read_images, read_malformed, read_refusal

# CloudEvents

ENVELOPE = {"specversion": "1.0", "id": "c-1", "source": "/uploads", "type": "image.uploaded"}
BINARY = {f"ce_{name}": value.encode() for name, value in ENVELOPE.items()}
OURS = {"url": "s3://photos/a.jpg"}


def test_structured_cloudevent_around_ours() -> None:
    (event,) = read_events({**ENVELOPE, "subject": "x", "data": OURS})
    assert (event.image, event.event_id) == (ImageRef("photos", "a.jpg"), hash_identity("/uploads", "c-1"))
    (event,) = read_events({**ENVELOPE, "data": {**OURS, "id": "own"}})
    assert event.event_id == "own"


def test_source_and_id_together_name_a_cloudevent() -> None:
    ids = [
        read_events({**ENVELOPE, "source": source, "id": event_id, "data": OURS})[0].event_id
        for source, event_id in [("/a", "1"), ("/b", "1"), ("/a", "2"), ("/a", "1")]
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


def test_structured_cloudevent_with_packed_data() -> None:
    packed = base64.b64encode(json.dumps(OURS).encode()).decode()
    assert read_images({**ENVELOPE, "data_base64": packed}) == [ImageRef("photos", "a.jpg")]


def test_cloudevents_around_a_notification() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), sequencer="1")
    structured = read_events({**ENVELOPE, "data": body})
    assert structured == read_events(body, headers=BINARY) == read_events(body)
    assert [event.image.key for event in structured] == ["a", "b"]


def test_binary_cloudevent_around_ours() -> None:
    (event,) = read_events(OURS, headers={"content-type": b"application/json", **BINARY})
    assert (event.image, event.event_id) == (ImageRef("photos", "a.jpg"), hash_identity("/uploads", "c-1"))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**ENVELOPE, "specversion": "0.3", "data": OURS}, {}),
        ({**ENVELOPE, "id": "", "data": OURS}, {}),
        ({**ENVELOPE, "data": "s3://photos/a.jpg"}, {}),
        (ENVELOPE, {}),
        ({**ENVELOPE, "data_base64": "*"}, {}),
        ({**ENVELOPE, "data_base64": "e30x"}, {}),
        (OURS, {"ce_specversion": b"1.0"}),
        (OURS, {**BINARY, "ce_id": b"\xff"}),
        ("s3://photos/a.jpg", BINARY),
    ],
)
def test_odd_cloudevents_are_malformed(body: object, headers: dict[str, bytes]) -> None:
    read_malformed(body, headers=headers)


# Envelopes of transports

A = ImageRef("photos", "a.jpg")
TEXT = json.dumps(OURS)


def wrap_sns(content: object) -> dict[str, object]:
    return {"Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:x", "Message": content, "Subject": "s"}


def wrap_sqs(content: object) -> dict[str, object]:
    return {"messageId": "m-1", "receiptHandle": "h", "body": content, "eventSource": "aws:sqs"}


def wrap_queue(content: object) -> dict[str, object]:
    return {"MessageId": "m-1", "ReceiptHandle": "h", "Body": content}


def wrap_lambda_sns(content: object) -> dict[str, object]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": wrap_sns(content)}]}


def wrap_lambda_sqs(content: object) -> dict[str, object]:
    return {"Records": [wrap_sqs(content)]}


def wrap_pipes(content: object) -> list[object]:
    return [wrap_sqs(content)]


def wrap_connect(content: object) -> dict[str, object]:
    return {"schema": {"type": "string"}, "payload": content}


WRAPS: list[Callable[[object], object]] = [
    wrap_sns,
    wrap_sqs,
    wrap_queue,
    wrap_lambda_sns,
    wrap_lambda_sqs,
    wrap_pipes,
    wrap_connect,
]
IDENTIFIED = [wrap for wrap in WRAPS if wrap is not wrap_connect]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("content", [TEXT, "s3://photos/a.jpg", "s3://photos/a.jpg\n"])
def test_an_envelope_around_ours_or_a_url_is_opened(wrap: Callable[[object], object], content: str) -> None:
    assert read_images(wrap(content)) == [A]


@pytest.mark.parametrize("wrap", WRAPS)
def test_an_envelope_around_a_notification_or_an_event_of_eventbridge_is_opened(
    wrap: Callable[[object], object],
) -> None:
    both = build_notification(("photos", "a.jpg"), ("photos", "b.jpg"), eTag="e")
    opened = read_events(wrap(json.dumps(both)))
    assert [event.event_id for event in opened] == [event.event_id for event in read_events(both)]
    assert [event.event_id for event in read_events(wrap(json.dumps(build_bridge_event())))] == ["b-1"]


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_test_event_of_s3_in_an_envelope_is_ignored(wrap: Callable[[object], object]) -> None:
    assert read_ignored(wrap(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})))


@pytest.mark.parametrize("wrap", IDENTIFIED)
def test_the_id_of_the_envelope_names_an_event_that_has_none(wrap: Callable[[object], object]) -> None:
    assert read_events(wrap(TEXT))[0].event_id == "m-1"
    assert read_events(wrap(json.dumps({**OURS, "id": "own"})))[0].event_id == "own"
    nameless = json.dumps(build_notification(("photos", "a"), ("photos", "a")))
    ids = [event.event_id for event in read_events(wrap(nameless))]
    assert ids == [hash_identity("m-1", 0), hash_identity("m-1", 1)]


def test_a_message_of_a_batch_has_the_same_id_in_another_batch() -> None:
    message, other = wrap_sqs(json.dumps(build_notification(("photos", "a")))), wrap_sqs(TEXT) | {"messageId": "m-2"}
    first, second = read_events([message]), read_events({"Records": [other, message]}, offset=7)
    assert first[0].event_id == second[1].event_id


def test_an_event_of_connect_without_identity_is_named_by_its_place() -> None:
    assert read_events(wrap_connect(OURS))[0].event_id == hash_identity("zoomin.images", 3, 42, 0)


@pytest.mark.parametrize("payload", [OURS, build_notification(("photos", "a.jpg")), TEXT])
def test_the_payload_of_connect_is_an_object_or_text(payload: object) -> None:
    assert read_images(wrap_connect(payload)) == [A]


@pytest.mark.parametrize(
    ("body", "named", "cure"),
    [
        (wrap_sqs(json.dumps(wrap_sns(TEXT))), "an SNS notification inside an SQS message", "raw message delivery"),
        (wrap_connect(wrap_queue(TEXT)), "an SQS message inside a Kafka Connect record", "body of the message alone"),
        (
            wrap_sns(json.dumps(wrap_connect(OURS))),
            "Kafka Connect record inside",
            "converter.schemas.enable=false",
        ),
        (wrap_sns(json.dumps({**ENVELOPE, "data": OURS})), "a CloudEvent inside an SNS notification", "event itself"),
        ({**ENVELOPE, "data": {**ENVELOPE, "data": OURS}}, "a CloudEvent inside a CloudEvent", "event itself"),
        (wrap_sns(TEXT) | {"Type": "SubscriptionConfirmation"}, "a confirmation of SNS", "confirm the subscription"),
        ({"before": None, "after": OURS, "source": {}, "op": "c"}, "change event of Debezium", "outbox event router"),
        (wrap_connect({"before": None, "after": OURS, "op": "c"}), "change event of Debezium", "outbox event router"),
    ],
)
def test_an_envelope_that_is_not_opened_is_named_with_its_cure(body: object, named: str, cure: str) -> None:
    detail = read_malformed(body)
    assert named in detail
    assert cure in detail


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("content", ["", "a.jpg", "[]", "7", '"s3://photos/a.jpg"', None, 7, [OURS]])
def test_an_envelope_around_something_else_is_malformed(wrap: Callable[[object], object], content: object) -> None:
    read_malformed(wrap(content))


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_allow_list_holds_inside_of_an_envelope(wrap: Callable[[object], object]) -> None:
    assert read_refusal(wrap("s3://secret/a")).code == "bucket_forbidden"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (wrap_sns(TEXT) | {"MessageId": ""}, "MessageId"),
        (wrap_sns(TEXT) | {"MessageId": "x" * 257}, "MessageId"),
        (wrap_sns(7), "Message"),
        (wrap_sns(TEXT) | {"Type": "Other"}, "Type"),
        (wrap_sqs(7), "body"),
        (wrap_queue(7), "Body"),
    ],
)
def test_a_wrong_field_of_an_envelope_is_named(body: object, named: str) -> None:
    assert named in read_malformed(body)


# Batches

(ENTRY,) = build_notification(("photos", "b.jpg"))["Records"]  # type: ignore[misc]


def test_the_members_of_a_list_are_read_one_by_one() -> None:
    batch = [OURS, ENTRY, build_bridge_event(), {**ENVELOPE, "data": OURS}, wrap_sns(TEXT), {"Records": [ENTRY, ENTRY]}]
    events = read_events(batch)
    assert [event.index for event in events] == [(0,), (1,), (2,), (3,), (4,), (5, 0), (5, 1)]
    assert len({event.event_id for event in events}) == 7


def test_a_list_with_one_entry_of_s3_is_read() -> None:
    assert read_images([ENTRY]) == read_images(ENTRY) == [ImageRef("photos", "b.jpg")]


def test_a_broken_member_is_refused_alone() -> None:
    both = json.dumps({"Records": [{"eventName": "ObjectEaten:Put"}, ENTRY]})
    first, second, third, last = parse_record(build_record({"Records": [wrap_sqs("{"), wrap_sqs(both), ENTRY]}), AWS)
    assert isinstance(first, RefusedEntry)
    assert isinstance(second, RefusedEntry)
    assert isinstance(third, ImageEvent)
    assert isinstance(last, ImageEvent)
    assert [entry.index for entry in (first, second, third, last)] == [(0,), (1, 0), (1, 1), (2,)]


@pytest.mark.parametrize("body", [[], [[OURS]], {"Records": [{"Records": [ENTRY]}]}, {"Records": [OURS]}])
def test_other_nestings_are_malformed(body: object) -> None:
    read_malformed(body)
