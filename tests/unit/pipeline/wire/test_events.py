import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BucketForbidden, MalformedEvent
from pipeline.wire.entries import IgnoredEntry, ImageEvent, ImageRef, RefusedEntry
from pipeline.wire.events import Addressing, parse_record
from tests.support.builders import AWS, build_bridge_event, build_notification, build_record
from tests.support.entries import (
    hash_identity,
    read_events,
    read_ignored,
    read_images,
    read_malformed,
    read_refusal,
)

OWN = Addressing("http://127.0.0.1:8333", frozenset({"photos", "a.b"}))
SHA = "AB" * 32


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
    assert read_images({"url": "s3://photos/a.jpg", **fields}) == [image]


def test_source_and_attributes_come_along() -> None:
    sent = {"url": "s3://photos/a.jpg", "id": "e1", "source": "web", "attributes": {"user": "7"}}
    (event,) = read_events(sent)
    assert (event.event_id, event.source, event.attributes, event.index) == ("e1", "web", {"user": "7"}, ())


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
    assert named in read_malformed({"url": "s3://photos/a.jpg", **fields})


def test_an_object_without_url_is_refused() -> None:
    assert "url" in read_malformed({"id": "e1"})


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
    assert read_images(text) == [ImageRef("photos", key)]


@pytest.mark.parametrize(
    "text",
    ["", "a.jpg", " s3://photos/a", "s3://photos", "s3://photos/", "s3://photos/a\ns3://photos/b", "ftp://photos/a",
     "s3://photos/../a", "s3://photos/a/./b", "s3://photos/a\\..\\b", "s3://photos/..\\a",
     "s3://photos/" + "ä" * 513, '"s3://photos/a"', "null", "[]", "7"],
)  # fmt: skip
def test_other_text_is_malformed(text: str) -> None:
    read_malformed(text)


def test_a_key_of_1024_bytes_is_read() -> None:
    assert read_images("s3://photos/" + "ä" * 512)[0].key == "ä" * 512


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
    assert read_images(url, addressing) == read_images({"url": url}, addressing) == [ImageRef(bucket, key)]


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
    read_malformed(url, Addressing(endpoint, OWN.buckets))


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
    error = read_refusal(value, Addressing("https://s3.lan", OWN.buckets))
    assert "c0ffee" not in error.detail
    assert len(error.detail) <= 512


# The allow-list


@pytest.mark.parametrize(
    "value",
    [
        "s3://secret/a",
        "https://secret.s3.amazonaws.com/a",
        {"url": "s3://secret/a"},
        build_notification(("secret", "a")),
        {"detail-type": "Object Created", "detail": {"bucket": {"name": "secret"}, "object": {"key": "a"}}},
        "s3:///a",
    ],
)
def test_a_bucket_off_the_list_is_forbidden(value: object) -> None:
    assert read_refusal(value).code == "bucket_forbidden"


# event_id


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
    (event,) = read_events(build_notification(("photos", "a+b"), **stored))
    assert event.event_id == event_id


def test_the_same_upload_sent_twice_has_one_event_id() -> None:
    body = build_notification(("photos", "a"), eTag="e", sequencer="1")
    (first,), (second,) = (read_events(body, offset=offset) for offset in (1, 2))
    assert first.event_id == second.event_id


def test_images_without_identity_differ_by_offset_and_index() -> None:
    body = build_notification(("photos", "a"), ("photos", "a"))
    ids = {e.event_id for offset in (1, 2) for e in read_events(body, offset=offset)}
    assert len(ids) == 4


GOLDEN: list[tuple[object, list[str]]] = [
    ("s3://photos/a.jpg", ["4695b985-73ef-5a37-8299-022e57a2b173"]),
    ({"url": "s3://photos/a.jpg"}, ["4695b985-73ef-5a37-8299-022e57a2b173"]),
    ({"url": "s3://photos/a.jpg", "etag": "e"}, ["9606262d-8969-5bc1-96ef-1b80e67145f6"]),
    ({"url": "s3://photos/a.jpg", "id": "e1"}, ["e1"]),
    (
        build_notification(("photos", "a"), ("photos", "b")),
        ["4695b985-73ef-5a37-8299-022e57a2b173", "33b0fa21-c9c2-5f43-adbd-e37393d85715"],
    ),
    (build_notification(("photos", "a+b"), eTag='"e"'), ["f634e55a-3527-5a13-b1ca-b1f61f2c5d45"]),
    (
        build_notification(("photos", "a+b"), eTag="e", versionId="v", sequencer="07"),
        ["5fefaf68-d7a6-5db8-a0b3-92679514edd9"],
    ),
    (build_bridge_event(), ["b-1"]),
]


@pytest.mark.parametrize(("value", "event_ids"), GOLDEN)
def test_the_id_of_an_event_never_changes(value: object, event_ids: list[str]) -> None:
    """Another id would be another event: readers would count its verdict anew."""
    assert [event.event_id for event in read_events(value)] == event_ids


# Tombstones


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_is_ignored_and_nothing_at_all_is_malformed(value: bytes | None) -> None:
    record = build_record()
    (entry,) = parse_record(replace(record, key=b"k", value=value), AWS)
    assert isinstance(entry, IgnoredEntry)
    for key in (None, b""):
        (entry,) = parse_record(replace(record, key=key, value=value), AWS)
        assert isinstance(entry, RefusedEntry)
        assert entry.error.code == "malformed_event"


# Replays


def test_the_replay_header_names_the_event() -> None:
    sent = {"url": "s3://photos/a.jpg", "id": "e1"}
    (event,) = read_events(sent, headers={"zoomin-event-id": b"old"})
    assert event.event_id == "old"
    (event,) = read_events(sent, headers={"zoomin-event-id": None})
    assert event.event_id == "e1"


def test_a_replay_of_several_images_judges_only_the_named_one() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), ("photos", "b"), eTag="e")
    wanted = read_events(body)[1]
    assert read_events(body, headers={"zoomin-event-id": wanted.event_id.encode()}) == [wanted]
    assert "replayed" in read_malformed(body, headers={"zoomin-event-id": b"another"})


@pytest.mark.parametrize("place", [b"zoomin.images/3@42", b"zoomin.images/3@42#1"])
def test_a_replay_of_one_of_several_images_without_identity_judges_it_under_its_id(place: bytes) -> None:
    body = build_notification(("photos", "a"), ("photos", "a"))
    wanted = read_events(body)[1]
    headers: dict[str, bytes | None] = {"zoomin-event-id": wanted.event_id.encode(), "zoomin-replay-of": place}
    assert read_events(body, partition=1, offset=99, headers=headers) == [wanted]


def test_a_replay_of_an_entry_without_id_returns_that_entry_under_the_id_of_its_first_place() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), ("secret", "c"))
    (event,) = read_events(body, offset=99, headers={"zoomin-replay-of": b"zoomin.images/3@42#1"})
    assert event == read_events(build_notification(("photos", "a"), ("photos", "b")))[1]


def test_a_replay_of_a_member_returns_all_that_it_holds() -> None:
    batch = [{"url": "s3://photos/z"}, build_notification(("photos", "a"), ("photos", "b"))]
    events = read_events(batch, offset=99, headers={"zoomin-replay-of": b"zoomin.images/3@42#1"})
    assert events == read_events(batch)[1:]


def test_a_replay_of_an_entry_that_is_ignored_now_is_ignored() -> None:
    body = build_notification(("photos", "a"), name="ObjectRemoved:Delete")
    headers = {"zoomin-replay-of": b"zoomin.images/3@42#0", "zoomin-event-id": b"e1"}
    assert read_ignored(body, headers=headers)


def test_a_replay_of_an_entry_that_is_still_refused_stays_the_same_event() -> None:
    body = build_notification(("photos", "a"), ("secret", "b"))
    headers = {"zoomin-replay-of": b"zoomin.images/3@42#1", "zoomin-event-id": b"e1"}
    (entry,) = parse_record(build_record(body, headers=headers), AWS)
    assert isinstance(entry, RefusedEntry)
    assert (entry.index, entry.event_id, entry.error.code) == ((1,), "e1", "bucket_forbidden")


@pytest.mark.parametrize("header", [b"\xff", b"x" * 257])
def test_an_odd_replay_header_is_malformed(header: bytes) -> None:
    read_malformed("s3://photos/a", headers={"zoomin-event-id": header})


@pytest.mark.parametrize("header", [b"\xff", b"t/0", b"t/0@-1", b"t/0@1#", b"t/0@1#a", b"/0@1", b"t/0@1#0"])
def test_an_odd_place_of_a_replay_is_malformed(header: bytes) -> None:
    read_malformed("s3://photos/a", headers={"zoomin-replay-of": header})


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
    assert len(read_malformed(value)) <= 512


OURS = {"url": "s3://photos/a.jpg"}
ENVELOPE = {"specversion": "1.0", "id": "c-1", "source": "/uploads", "type": "image.uploaded"}
BINARY: dict[str, bytes | None] = {f"ce_{name}": value.encode() for name, value in ENVELOPE.items()}
SNS = {"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": '{"url": "s3://photos/a"}'}
SQS = {"Records": [{"messageId": "m", "body": '{"url": "s3://photos/a"}'}]}
FIELDS = ["url", "id", "etag", "attributes", "Records", "eventName", "s3", "bucket", "name", "object", "key", "eTag",
          "sequencer", "size", "detail-type", "detail", "specversion", "source", "type", "data", "Event", "Type",
          "TopicArn", "MessageId", "Message", "Sns", "messageId", "body", "Body", "schema", "payload", "before",
          "after", "op"]  # fmt: skip
TEXTS = ["s3://photos/a", "https://photos.s3.amazonaws.com/a?b", "1.0", "ObjectCreated:Put", "Object Created",
         "photos", "s3:TestEvent", "https://[", "e30=", "Notification", '{"url": "s3://photos/a"}']  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TEXTS)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=15,
)
mutated = st.builds(
    lambda base, extra: json.dumps({**base, **extra}),
    st.sampled_from(
        [OURS, build_notification(("photos", "a")), build_bridge_event(), {**ENVELOPE, "data": OURS}, SNS, SQS]
    ),
    st.dictionaries(st.sampled_from(FIELDS), trees, max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(value=st.binary() | st.text().map(str.encode) | trees.map(json.dumps) | mutated, binary=st.booleans())
def test_nothing_but_our_own_errors_leaves_the_parser(value: bytes | str, binary: bool) -> None:
    entries = parse_record(build_record(value, headers=BINARY if binary else {}), AWS)
    assert entries
    for entry in entries:
        if isinstance(entry, ImageEvent):
            assert entry.image.bucket in AWS.buckets
            assert entry.image.key
        elif isinstance(entry, RefusedEntry):
            assert isinstance(entry.error, MalformedEvent | BucketForbidden)
            assert len(entry.error.detail) <= 512


@settings(max_examples=200, deadline=None)
@given(url=st.from_regex(r"(https?|s3)://[ -~ä\u212a]{0,60}", fullmatch=True), endpoint=st.sampled_from([AWS, OWN]))
def test_no_url_breaks_the_parser(url: str, endpoint: Addressing) -> None:
    (entry,) = parse_record(build_record({"url": url}), endpoint)
    assert isinstance(entry, RefusedEntry) or entry.image.bucket in endpoint.buckets  # type: ignore[union-attr]
