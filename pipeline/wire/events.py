"""Reads Kafka records as image events: recognises their shape by the content and validates it strictly.

The shapes: our own JSON, a bare URL, S3 notifications, EventBridge, and CloudEvents around the first or the third.
"""

import base64
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import unquote_plus

from pydantic import BaseModel, ValidationError

from pipeline.errors import MalformedEvent
from pipeline.wire.event_shapes import MAX_ID_LENGTH, BridgeEvent, CloudEvent, ImageEventMessage, S3Record
from pipeline.wire.messages import NAMESPACE
from pipeline.wire.record import RawRecord
from pipeline.wire.strict_json import JsonObject, read_object
from pipeline.wire.urls import MAX_KEY_BYTES, Addressing, redact_text

__all__ = ["EVENT_ID_HEADER", "Addressing", "ImageEvent", "ImageEventMessage", "ImageRef", "parse_event"]

EVENT_ID_HEADER = "zoomin-event-id"
MAX_IMAGES = 100

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The object to judge, and the etag, version and digest that it must have.

    `other_key` is the key without form-decoding: some senders encode keys and some do not. It is set only together
    with an etag; of the two objects, the one whose etag matches is meant.
    """

    bucket: str
    key: str
    etag: str | None = None
    version_id: str | None = None
    sha256: str | None = None
    other_key: str | None = None


@dataclass(frozen=True, slots=True)
class ImageEvent:
    """One image to judge; `index` is its position in the record."""

    event_id: str
    image: ImageRef
    source: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    index: int = 0


@dataclass(frozen=True, slots=True)
class _NamedImage:
    """An image as its sender names it; `index` counts all entries of the record, ignored ones included."""

    image: ImageRef
    own_id: str | None = None
    sequencer: str | None = None
    source: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    index: int = 0


_CREATED = re.compile(r"(?:s3:)?ObjectCreated:.+", re.DOTALL)
_IGNORED = re.compile(
    r"(?:s3:)?(?:ObjectRemoved|ObjectTagging|ObjectAcl|ObjectRestore|Lifecycle\w*|Replication|IntelligentTiering"
    r"|TestEvent)(?::.*)?",
    re.DOTALL,
)
_BRIDGE_IGNORED = re.compile(
    r"Object (?:Deleted|Restore \w+|Tags \w+|ACL Updated|Storage Class Changed|Access Tier Changed)"
)
_URL_TEXT = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")


def parse_event(record: RawRecord, addressing: Addressing) -> list[ImageEvent]:
    """Return the images that a record asks us to judge; an empty list for a known event of another kind.

    A replayed record names its event in a header: that id replaces the event's own, and of several images only the
    one with that id is returned.
    Raises: MalformedEvent, BucketForbidden; no other error, whatever the bytes.
    """
    images = list(_read_images(record, addressing))
    if len(images) > MAX_IMAGES:
        raise MalformedEvent(f"{len(images)} images in one record; at most {MAX_IMAGES} are read")
    for named in images:
        addressing.admit(named.image.bucket, named.image.key)
    events = [
        ImageEvent(_build_event_id(record, named), named.image, named.source, named.attributes, named.index)
        for named in images
    ]
    replayed = record.get_header(EVENT_ID_HEADER)
    return _select_replayed(events, replayed) if replayed and events else events


def _read_images(record: RawRecord, addressing: Addressing) -> Iterator[_NamedImage]:
    if not record.value:
        raise MalformedEvent("the record has no value")
    if record.get_header("ce_specversion") is not None:
        attributes = {name: _decode_text(record.get_header(f"ce_{name}")) for name in CloudEvent.model_fields}
        envelope = _validate(CloudEvent, attributes)
        return _read_body(read_object(record.value), addressing, envelope.id)
    if _URL_TEXT.match(record.value):
        return iter([_read_bare_url(record.value, addressing)])
    body = read_object(record.value)
    if "specversion" in body:
        envelope = _validate(CloudEvent, body)
        return _read_body(_read_cloud_payload(body), addressing, envelope.id)
    if "detail-type" in body:
        return _read_bridge_event(body)
    return _read_body(body, addressing)


def _read_bare_url(value: bytes, addressing: Addressing) -> _NamedImage:
    url = _decode_text(value.removesuffix(b"\n").removesuffix(b"\r"))
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise MalformedEvent("one URL a record, without control characters")
    return _NamedImage(ImageRef(*addressing.locate(url)))


def _read_body(body: JsonObject, addressing: Addressing, envelope_id: str | None = None) -> Iterator[_NamedImage]:
    if "Records" in body:
        return _read_notification(body["Records"])
    if "Event" in body and "url" not in body:
        return _skip_known_event(body["Event"])
    return iter([_read_own_event(body, addressing, envelope_id)])


def _read_own_event(body: JsonObject, addressing: Addressing, envelope_id: str | None) -> _NamedImage:
    event = _validate(ImageEventMessage, body)
    bucket, key = addressing.locate(event.url)
    sha256 = event.sha256.lower() if event.sha256 else None
    image = ImageRef(bucket, key, _strip_quotes(event.etag), event.version_id or None, sha256)
    return _NamedImage(image, event.id or envelope_id, None, event.source, event.attributes)


def _read_notification(records: object) -> Iterator[_NamedImage]:
    if not isinstance(records, list) or not records:
        raise MalformedEvent("Records of an S3 notification is a list with at least one entry")
    for index, entry in enumerate(records):
        name = entry.get("eventName") if isinstance(entry, dict) else None
        if not (isinstance(name, str) and _CREATED.fullmatch(name)):
            yield from _skip_known_event(name)
            continue
        s3 = _validate(S3Record, entry).s3
        etag, version_id = _strip_quotes(s3.object.etag), s3.object.version_id or None
        key, raw_key = _decode_key(s3.object.key)
        image = ImageRef(s3.bucket.name, key, etag, version_id, other_key=raw_key if etag else None)
        yield _NamedImage(image, sequencer=s3.object.sequencer, index=index)


def _skip_known_event(name: object) -> Iterator[_NamedImage]:
    """Return no image for an event family that we know and do not judge.

    Raises: MalformedEvent for an unknown family.
    """
    if not isinstance(name, str) or not _IGNORED.fullmatch(name):
        raise MalformedEvent(
            f"an S3 event named {redact_text(name) if isinstance(name, str) else 'nothing'} is not known"
        )
    return iter(())


def _decode_key(key: str) -> tuple[str, str | None]:
    """Return the form-decoded key (AWS encodes keys) and, where it differs, the key as it was sent."""
    try:
        decoded = unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key, None
    return decoded, key if key != decoded and len(key) <= MAX_KEY_BYTES else None


def _read_bridge_event(body: JsonObject) -> Iterator[_NamedImage]:
    kind = body["detail-type"]
    if kind == "Object Created":
        event = _validate(BridgeEvent, body)
        stored = event.detail.object
        image = ImageRef(event.detail.bucket.name, stored.key, _strip_quotes(stored.etag), stored.version_id or None)
        yield _NamedImage(image, event.id, stored.sequencer)
    elif not isinstance(kind, str) or not _BRIDGE_IGNORED.fullmatch(kind):
        raise MalformedEvent(f"an EventBridge event of type {redact_text(str(kind)[:200])} is not known")


def _read_cloud_payload(body: JsonObject) -> JsonObject:
    packed = body.get("data_base64")
    if isinstance(packed, str):
        try:
            return read_object(base64.b64decode(packed, validate=True))
        except ValueError:
            raise MalformedEvent("data_base64 of the CloudEvent is not base64") from None
    payload = body.get("data")
    if not isinstance(payload, dict):
        raise MalformedEvent("data of the CloudEvent is not a JSON object")
    return payload


def _select_replayed(events: list[ImageEvent], header: bytes) -> list[ImageEvent]:
    event_id = _decode_text(header)
    if len(event_id) > MAX_ID_LENGTH:
        raise MalformedEvent(f"the header {EVENT_ID_HEADER} is longer than {MAX_ID_LENGTH} characters")
    if len(events) == 1:
        return [replace(events[0], event_id=event_id)]
    named = [event for event in events if event.event_id == event_id]
    if not named:
        raise MalformedEvent(f"none of the {len(events)} images has the replayed id {redact_text(event_id)}")
    return named[:1]


def _build_event_id(record: RawRecord, named: _NamedImage) -> str:
    if named.own_id:
        return named.own_id
    image = named.image
    upload = (image.version_id or image.etag or "", named.sequencer or "")
    if any(upload):
        identity: tuple[str | int, ...] = (image.bucket, image.key, *upload)
    else:
        identity = (record.topic, record.partition, record.offset, named.index)
    return str(uuid.uuid5(NAMESPACE, json.dumps(identity)))


def _validate(model: type[Model], body: object) -> Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = [
            f"{redact_text('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors(include_input=False)
        ]
    raise MalformedEvent("; ".join(problems[:4]))


def _strip_quotes(etag: str | None) -> str | None:
    return etag.strip('"') or None if etag else None


def _decode_text(value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise MalformedEvent("not UTF-8") from None
