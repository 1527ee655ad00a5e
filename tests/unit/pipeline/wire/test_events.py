import base64
import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BucketForbidden, MalformedEvent, ZoomInError
from pipeline.wire.events import Addressing, ImageRef, parse_event
from pipeline.wire.messages import NAMESPACE
from tests.support.builders import AWS, build_notification, build_record

OWN = Addressing("http://127.0.0.1:8333", frozenset({"photos", "a.b"}))
SHA = "AB" * 32


def read(value: object, addressing: Addressing = AWS, **kw: Any) -> list[ImageRef]:
    return [event.image for event in parse_event(build_record(value, **kw), addressing)]


def read_refusal(value: object, addressing: Addressing = AWS, **kw: Any) -> str:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(build_record(value, **kw), addressing)
    return caught.value.detail


# Shape 1: ours


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({}, ImageRef("photos", "a.jpg")),
        ({"schema_version": 1}, ImageRef("photos", "a.jpg")),
        ({"etag": '"abc-2"', "version_id": "v.1"}, ImageRef("photos", "a.jpg", "abc-2", "v.1")),
        ({"etag": "", "version_id": "", "sha256": SHA}, ImageRef("photos", "a.jpg", sha256=SHA.lower())),
        ({"etag": None, "id": None, "time": None, "source": None}, ImageRef("photos", "a.jpg")),
        ({"time": "2026-01-01T00:00:00Z"}, ImageRef("photos", "a.jpg")),
    ],
)
def test_our_own_event_names_its_image(fields: dict[str, object], image: ImageRef) -> None:
    assert read({"url": "s3://photos/a.jpg", **fields}) == [image]


def test_source_and_attributes_come_along() -> None:
    sent = {"url": "s3://photos/a.jpg", "id": "e1", "source": "web", "attributes": {"user": "7"}}
    (event,) = parse_event(build_record(sent), AWS)
    assert (event.event_id, event.source, event.attributes, event.index) == ("e1", "web", {"user": "7"}, 0)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ulr": 1}, "ulr"),
        ({"schema_version": 2}, "schema_version"),
        ({"schema_version": "1"}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"url": 5}, "url"),
        ({"url": ""}, "url"),
        ({"id": 7}, "id"),
        ({"id": "x" * 257}, "id"),
        ({"etag": "a\nb"}, "etag"),
        ({"version_id": "ä"}, "version_id"),
        ({"sha256": "12"}, "sha256"),
        ({"time": "soon"}, "time"),
        ({"source": "x" * 257}, "source"),
        ({"attributes": {str(i): "" for i in range(17)}}, "attributes"),
        ({"attributes": {"a": 1}}, "attributes.a"),
        ({"attributes": {"a": "x" * 257}}, "attributes.a"),
        ({"attributes": {"": "x"}}, "attributes"),
        ({"attributes": ["a"]}, "attributes"),
    ],
)
def test_a_wrong_field_is_refused_with_its_name(fields: dict[str, object], named: str) -> None:
    assert named in read_refusal({"url": "s3://photos/a.jpg", **fields})


def test_an_object_without_url_is_refused() -> None:
    assert "url" in read_refusal({"id": "e1"})


# Shape 2: a bare URL


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("s3://photos/a.jpg", "a.jpg"),
        ("s3://photos/a.jpg\r\n", "a.jpg"),
        ("S3://photos/a.jpg", "a.jpg"),
        ("s3://photos//a?b#c+%20ä .jpg ", "/a?b#c+%20ä .jpg "),
    ],
)
def test_bare_url_is_raw(text: str, key: str) -> None:
    assert read(text) == [ImageRef("photos", key)]


@pytest.mark.parametrize(
    "text",
    ["", "a.jpg", " s3://photos/a", "s3://photos", "s3://photos/", "s3://photos/a\ns3://photos/b", "ftp://photos/a",
     "s3://photos/../a", "s3://photos/a/./b", "s3://photos/a\\..\\b", "s3://photos/..\\a",
     "s3://photos/" + "ä" * 513, '"s3://photos/a"', "null", "[]", "7"],
)  # fmt: skip
def test_other_text_is_malformed(text: str) -> None:
    read_refusal(text)


def test_a_key_of_1024_bytes_is_read() -> None:
    assert read("s3://photos/" + "ä" * 512)[0].key == "ä" * 512


# URL forms


@pytest.mark.parametrize(
    ("endpoint", "url", "bucket", "key"),
    [
        ("http://127.0.0.1:8333", "http://127.0.0.1:8333/photos/a/b.jpg", "photos", "a/b.jpg"),
        ("http://127.0.0.1:8333", "https://127.0.0.1:8333/photos/b.jpg", "photos", "b.jpg"),
        ("http://s3.lan:8333", "http://photos.S3.lan:8333/a%20b+c.jpg", "photos", "a b+c.jpg"),
        ("http://s3.lan:8333", "http://a.b.s3.lan:8333/c%2Fd", "a.b", "c/d"),
        ("https://s3.lan", "https://s3.lan:443/photos/%C3%A4?X-Amz-Signature=1", "photos", "ä"),
        ("https://s3.lan:443/", "https://s3.lan/photos/a%3Fb", "photos", "a?b"),
        ("https://gw.lan/s3", "https://gw.lan/s3/photos/a", "photos", "a"),
        ("https://[::1]:9000", "https://[::1]:9000/photos/a", "photos", "a"),
        (None, "https://photos.s3.amazonaws.com/a.jpg", "photos", "a.jpg"),
        (None, "https://a.b.s3.eu-central-1.amazonaws.com/a.jpg?versionId=7", "a.b", "a.jpg"),
        (None, "https://photos.s3-us-west-2.amazonaws.com/a", "photos", "a"),
        (None, "https://photos.s3.dualstack.us-gov-west-1.amazonaws.com/a", "photos", "a"),
        (None, "https://photos.s3-accelerate.amazonaws.com/a", "photos", "a"),
        (None, "https://s3.us-east-1.amazonaws.com/photos/a", "photos", "a"),
        (None, "https://s3.cn-north-1.amazonaws.com.cn/photos/a", "photos", "a"),
    ],
)
def test_web_addresses_of_the_endpoint(endpoint: str | None, url: str, bucket: str, key: str) -> None:
    addressing = Addressing(endpoint, OWN.buckets)
    assert read(url, addressing) == read({"url": url}, addressing) == [ImageRef(bucket, key)]


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (None, "http://photos.s3.amazonaws.com/a"),
        (None, "https://photos.s3.amazonaws.com:8443/a"),
        (None, "https://photos.s3-website-us-east-1.amazonaws.com/a"),
        (None, "https://photos.s3.amazonaws.com.evil.example/a"),
        (None, "https://s3.amazonaws.com"),
        (None, "https://example.com/photos/a"),
        ("http://127.0.0.1:8333", "https://photos.s3.amazonaws.com/a"),
        ("http://127.0.0.1:8333", "http://127.0.0.1:8334/photos/a"),
        ("http://127.0.0.1:8333", "http://127.0.0.1/photos/a"),
        ("http://127.0.0.1:8333", "http://user:word@127.0.0.1:8333/photos/a"),
        ("https://s3.lan", "http://s3.lan/photos/a"),
        ("https://s3.lan", "https://s3.lan/photos/a#b"),
        ("https://s3.lan", "https://s3.lan/photos/a b"),
        ("https://s3.lan", "https://s3.lan/photos/%ff"),
        ("https://s3.lan", "https://s3.lan/photos/%2e%2e/other/a"),
        ("https://s3.lan", "https://evil-s3.lan/a"),
        ("https://s3.lan", "https://s3.lan:99999/photos/a"),
        ("https://s3.lan", "https://[s3.lan/photos/a"),
        ("https://gw.lan/s3", "https://gw.lan/photos/a"),
        ("https://s3.lan", "file:///etc/passwd"),
    ],
)
def test_other_addresses_are_malformed(endpoint: str | None, url: str) -> None:
    read_refusal(url, Addressing(endpoint, OWN.buckets))


@pytest.mark.parametrize(
    "value",
    [
        "https://s3.lan/photos/%ff?X-Amz-Signature=c0ffee",
        "https://user:c0ffee@s3.lan/photos/a",
        "s3://user:c0ffee@photos/a?c0ffee",
        "https://other.lan/photos/a?X-Amz-Signature=c0ffee",
        "https://s3.lan/secret/a?X-Amz-Signature=c0ffee",
        {"url": "https://s3.lan/photos/?X-Amz-Signature=c0ffee", "https://x/?c0ffee": 1},
        {"url": ["https://s3.lan/photos/?X-Amz-Signature=c0ffee"]},
        '{"url": "https://s3.lan/photos/a?c0ffee"',
        '{"https://x/?c0ffee": 1, "https://x/?c0ffee": 1}',
    ],
)
def test_no_detail_holds_a_query_or_a_password(value: object) -> None:
    with pytest.raises(ZoomInError) as caught:
        parse_event(build_record(value), Addressing("https://s3.lan", OWN.buckets))
    assert "c0ffee" not in caught.value.detail
    assert len(caught.value.detail) <= 512


# The allow-list


@pytest.mark.parametrize(
    "value",
    [
        "s3://secret/a",
        "https://secret.s3.amazonaws.com/a",
        {"url": "s3://secret/a"},
        build_notification(("secret", "a")),
        build_notification(("photos", "a"), ("secret", "a")),
        {"detail-type": "Object Created", "detail": {"bucket": {"name": "secret"}, "object": {"key": "a"}}},
        "s3:///a",
    ],
)
def test_a_bucket_off_the_list_is_forbidden(value: object) -> None:
    with pytest.raises(BucketForbidden):
        parse_event(build_record(value), AWS)


# Shape 3: S3 notifications


@pytest.mark.parametrize(
    ("key", "stored", "image"),
    [
        ("a.jpg", {}, ImageRef("photos", "a.jpg")),
        ("a+b%2Bc.jpg", {}, ImageRef("photos", "a b+c.jpg")),
        ("a+b.jpg", {"eTag": "e"}, ImageRef("photos", "a b.jpg", "e", other_key="a+b.jpg")),
        ("a b.jpg", {"eTag": '"e"', "versionId": None}, ImageRef("photos", "a b.jpg", "e")),
        (
            "100%25.jpg",
            {"eTag": "e", "versionId": "v"},
            ImageRef("photos", "100%.jpg", "e", "v", other_key="100%25.jpg"),
        ),
        ("100%ff.jpg", {"eTag": "e"}, ImageRef("photos", "100%ff.jpg", "e")),
        ("%C3%A4" * 400, {"eTag": "e"}, ImageRef("photos", "ä" * 400, "e")),
        ("a+b.jpg", {"eTag": "", "versionId": ""}, ImageRef("photos", "a b.jpg")),
    ],
)
def test_notification_keys_are_read_in_both_ways(key: str, stored: dict[str, object], image: ImageRef) -> None:
    assert read(build_notification(("photos", key), **stored)) == [image]
    assert read(build_notification(("photos", key), name="s3:ObjectCreated:CompleteMultipartUpload", **stored)) == [
        image
    ]


def test_every_created_object_of_a_notification_is_read_and_others_are_not() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), ("photos", "c"))
    body["Records"][1]["eventName"] = "ObjectRemoved:Delete"  # type: ignore[index]
    events = parse_event(build_record(body), AWS)
    assert [(e.image.key, e.index) for e in events] == [("a", 0), ("c", 2)]


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put", "s3:ObjectAcl:Put",
     "ObjectRestore:Post", "LifecycleExpiration:Delete", "LifecycleTransition", "Replication:OperationMissedThreshold",
     "IntelligentTiering", "s3:TestEvent"],
)  # fmt: skip
def test_other_known_families_are_ignored(name: str) -> None:
    assert read({"Records": [{"eventName": name}]}) == []


def test_the_test_event_is_ignored() -> None:
    assert read({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "Test-Bucket", "RequestId": "1"}) == []


@pytest.mark.parametrize(
    "body",
    [
        {"Records": []},
        {"Records": {}},
        {"Records": [7]},
        {"Records": [{}]},
        {"Records": [{"eventName": "ObjectEaten:Put"}]},
        {"Records": [{"eventName": "ObjectCreated"}]},
        {"Records": [{"eventName": 5}]},
        {"Event": "s3:Other"},
        build_notification(("photos", "")),
        build_notification(("photos", "a"), eTag=5),
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "photos"}}}]},
        build_notification(*[("photos", str(i)) for i in range(101)]),
    ],
)
def test_odd_notifications_are_malformed(body: object) -> None:
    read_refusal(body)


def test_a_hundred_images_are_read() -> None:
    assert len(read(build_notification(*[("photos", str(i)) for i in range(100)]))) == 100


# Shape 4: EventBridge


def build_bridge_event(kind: str = "Object Created", **stored: object) -> dict[str, object]:
    detail = {"version": "0", "bucket": {"name": "photos"}, "object": {"key": "a+b%20.jpg", "size": 3, **stored}}
    return {"version": "0", "id": "b-1", "detail-type": kind, "source": "aws.s3", "detail": detail}


def test_eventbridge_keys_are_raw() -> None:
    (event,) = parse_event(build_record(build_bridge_event(etag="e", **{"version-id": "v", "sequencer": "0055"})), AWS)
    assert event.image == ImageRef("photos", "a+b%20.jpg", "e", "v")
    assert event.event_id == "b-1"


@pytest.mark.parametrize(
    "kind", ["Object Deleted", "Object Tags Added", "Object ACL Updated", "Object Restore Completed"]
)
def test_other_eventbridge_types_are_ignored(kind: str) -> None:
    assert read(build_bridge_event(kind)) == []


@pytest.mark.parametrize(
    "body", [build_bridge_event("Object Eaten"), {"detail-type": "Object Created"}, {"detail-type": 5}]
)
def test_odd_eventbridge_events_are_malformed(body: object) -> None:
    read_refusal(body)


# Shape 5: CloudEvents

ENVELOPE = {"specversion": "1.0", "id": "c-1", "source": "/uploads", "type": "image.uploaded"}
BINARY = {f"ce_{name}": value.encode() for name, value in ENVELOPE.items()}
OURS = {"url": "s3://photos/a.jpg"}


def test_structured_cloudevent_around_ours() -> None:
    (event,) = parse_event(build_record({**ENVELOPE, "subject": "x", "data": OURS}), AWS)
    assert (event.image, event.event_id) == (ImageRef("photos", "a.jpg"), "c-1")
    (event,) = parse_event(build_record({**ENVELOPE, "data": {**OURS, "id": "own"}}), AWS)
    assert event.event_id == "own"


def test_structured_cloudevent_with_packed_data() -> None:
    packed = base64.b64encode(json.dumps(OURS).encode()).decode()
    assert read({**ENVELOPE, "data_base64": packed}) == [ImageRef("photos", "a.jpg")]


def test_cloudevents_around_a_notification() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), sequencer="1")
    structured = parse_event(build_record({**ENVELOPE, "data": body}), AWS)
    assert structured == parse_event(build_record(body, headers=BINARY), AWS) == parse_event(build_record(body), AWS)
    assert [event.image.key for event in structured] == ["a", "b"]


def test_binary_cloudevent_around_ours() -> None:
    (event,) = parse_event(build_record(OURS, headers={"content-type": b"application/json", **BINARY}), AWS)
    assert (event.image, event.event_id) == (ImageRef("photos", "a.jpg"), "c-1")


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
    read_refusal(body, headers=headers)


# event_id


def hash_identity(*parts: object) -> str:
    return str(uuid.uuid5(NAMESPACE, json.dumps(parts)))


@pytest.mark.parametrize(
    ("stored", "event_id"),
    [
        ({}, hash_identity("zoomin.images", 3, 42, 0)),
        ({"eTag": "e"}, hash_identity("photos", "a b", "e", "")),
        ({"eTag": "e", "versionId": "v"}, hash_identity("photos", "a b", "v", "")),
        ({"sequencer": "07"}, hash_identity("photos", "a b", "", "07")),
        ({"eTag": "e", "sequencer": "07"}, hash_identity("photos", "a b", "e", "07")),
    ],
)
def test_event_id_names_the_upload_else_the_record(stored: dict[str, object], event_id: str) -> None:
    (event,) = parse_event(build_record(build_notification(("photos", "a+b"), **stored)), AWS)
    assert event.event_id == event_id


def test_the_same_upload_sent_twice_has_one_event_id() -> None:
    body = build_notification(("photos", "a"), eTag="e", sequencer="1")
    (first,), (second,) = (parse_event(build_record(body, offset=offset), AWS) for offset in (1, 2))
    assert first.event_id == second.event_id


def test_images_without_identity_differ_by_offset_and_index() -> None:
    body = build_notification(("photos", "a"), ("photos", "a"))
    ids = {e.event_id for offset in (1, 2) for e in parse_event(build_record(body, offset=offset), AWS)}
    assert len(ids) == 4


def test_the_replay_header_names_the_event() -> None:
    sent = {"url": "s3://photos/a.jpg", "id": "e1"}
    (event,) = parse_event(build_record(sent, headers={"zoomin-event-id": b"old"}), AWS)
    assert event.event_id == "old"
    (event,) = parse_event(build_record(sent, headers={"zoomin-event-id": None}), AWS)
    assert event.event_id == "e1"


def test_a_replay_of_several_images_judges_only_the_named_one() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), ("photos", "b"), eTag="e")
    wanted = parse_event(build_record(body), AWS)[1]
    assert parse_event(build_record(body, headers={"zoomin-event-id": wanted.event_id.encode()}), AWS) == [wanted]
    assert "replayed" in read_refusal(body, headers={"zoomin-event-id": b"another"})


@pytest.mark.parametrize("header", [b"\xff", b"x" * 257])
def test_an_odd_replay_header_is_malformed(header: bytes) -> None:
    read_refusal("s3://photos/a", headers={"zoomin-event-id": header})


# Strange bytes


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xfe",
        b's3://photos/\xff',
        b'{"url": "s3://photos/a", "url": "s3://photos/b"}',
        b'{"url": "s3://photos/a", "attributes": {"a": "1", "a": "2"}}',
        b'{"url": NaN}',
        b'{"schema_version": 1e999, "url": "s3://photos/a"}',
        b'{"time": 1e999, "url": "s3://photos/a"}',
        b'{"time": ' + b"9" * 5000 + b', "url": "s3://photos/a"}',
        b'{"url": "s3://photos/\\ud800"}',
        b'{"\\ud800": 1, "url": "s3://photos/a"}',
        b'{"url": "s3://photos/a", "attributes": {"\\udfff": ""}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"attributes":' * 500 + b"1" + b"}" * 500,
        b"{" + b",".join(b'"%d": 0' % i for i in range(80_000)) + b', "1": 0}',
        b"\xef\xbb\xbf{}",
        b"{}",
        b" ",
    ],
)  # fmt: skip
def test_strange_bytes_are_malformed(value: bytes) -> None:
    assert len(read_refusal(value)) <= 512


FIELDS = ["url", "id", "etag", "attributes", "Records", "eventName", "s3", "bucket", "name", "object", "key", "eTag",
          "sequencer", "detail-type", "detail", "specversion", "source", "type", "data", "Event"]  # fmt: skip
TEXTS = ["s3://photos/a", "https://photos.s3.amazonaws.com/a?b", "1.0", "ObjectCreated:Put", "Object Created",
         "photos", "s3:TestEvent", "https://[", "e30="]  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TEXTS)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=15,
)
mutated = st.builds(
    lambda base, extra: json.dumps({**base, **extra}),
    st.sampled_from([OURS, build_notification(("photos", "a")), build_bridge_event(), {**ENVELOPE, "data": OURS}]),
    st.dictionaries(st.sampled_from(FIELDS), trees, max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(value=st.binary() | st.text().map(str.encode) | trees.map(json.dumps) | mutated, binary=st.booleans())
def test_nothing_but_our_own_errors_leaves_the_parser(value: bytes | str, binary: bool) -> None:
    try:
        events = parse_event(build_record(value, headers=BINARY if binary else {}), AWS)
    except (MalformedEvent, BucketForbidden):
        return
    assert all(event.image.bucket in AWS.buckets and event.image.key for event in events)


@settings(max_examples=200, deadline=None)
@given(url=st.from_regex(r"(https?|s3)://[ -~ä\u212a]{0,60}", fullmatch=True), endpoint=st.sampled_from([AWS, OWN]))
def test_no_url_breaks_the_parser(url: str, endpoint: Addressing) -> None:
    try:
        events = parse_event(build_record({"url": url}), endpoint)
    except (MalformedEvent, BucketForbidden):
        return
    assert events[0].image.bucket in endpoint.buckets
