"""Takes a record apart into items: the members of a batch, each without the one envelope that it may have.

Batches are JSON lists and `Records`; envelopes are CloudEvents and those of SNS, SQS, Lambda and Kafka Connect. Of two
envelopes around each other none is opened: the refusal says how to switch one of them off.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import MalformedEvent
from pipeline.wire.entries import Index, RefusedEntry
from pipeline.wire.event_shapes import CloudEvent, SnsMessage, SqsMessage, validate
from pipeline.wire.messages import NAMESPACE
from pipeline.wire.record import RawRecord
from pipeline.wire.strict_json import JsonObject, read_document, read_object

_URL_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a transport wraps around an event; `cure` says how its sender leaves it out."""

    name: str
    cure: str
    content: JsonObject | str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Nesting:
    """Where an item lies: its index in the record, the id of the envelope around it, and its index in that."""

    index: Index = ()
    envelope_id: str | None = None
    index_in_envelope: Index = ()

    def enter_list(self, number: int) -> "Nesting":
        return Nesting((*self.index, number), self.envelope_id, (*self.index_in_envelope, number))


@dataclass(frozen=True, slots=True)
class Item:
    """One event without its envelope: a JSON object or, as text, a bare URL."""

    body: JsonObject | str
    nesting: Nesting


SplitMember = Callable[[object, Nesting], Iterator[Item | RefusedEntry]]


def split_record(record: RawRecord) -> Iterator[Item | RefusedEntry]:
    """Yield the items of a record that has a value.

    Raises: MalformedEvent for the record as a whole; a broken member of a batch is a `RefusedEntry` among its items.
    """
    value, outside = record.value or b"", Nesting()
    if record.get_header("ce_specversion") is not None:
        attributes = {name: decode_text(record.get_header(f"ce_{name}")) for name in CloudEvent.model_fields}
        yield from _split_content(_build_cloud_event(attributes, read_object(value)), outside)
        return
    text = decode_text(value)
    if _URL_TEXT.match(text):
        yield Item(text, outside)
        return
    document = read_document(text)
    if isinstance(document, list):
        yield from _split_list(document, outside, _split_document)
    else:
        yield from _split_document(document, outside)


def _split_list(members: Sequence[object], nesting: Nesting, split: SplitMember) -> Iterator[Item | RefusedEntry]:
    if not members:
        raise MalformedEvent("a list of events has at least one entry")
    for number, member in enumerate(members):
        inside = nesting.enter_list(number)
        try:
            yield from split(member, inside)
        except MalformedEvent as error:
            yield RefusedEntry(error, inside.index)


def _split_document(body: object, nesting: Nesting) -> Iterator[Item | RefusedEntry]:
    """Yield the items of one JSON document: of its envelope, of its `Records`, or the document itself."""
    if not isinstance(body, dict):
        raise MalformedEvent(f"a JSON object is expected, not a {type(body).__name__}")
    envelope = _open_envelope(body)
    if envelope is not None:
        yield from _split_content(envelope, nesting)
    else:
        yield from _split_records(body, nesting, _split_record_entry)


def _split_content(envelope: Envelope, nesting: Nesting) -> Iterator[Item | RefusedEntry]:
    inside = Nesting(nesting.index, envelope.id)
    content = envelope.content
    if isinstance(content, str):
        if _URL_TEXT.match(content):
            yield Item(content, inside)
            return
        content = read_object(content)
    inner = _open_envelope(content)
    if inner is not None:
        raise MalformedEvent(f"{inner.name} inside {envelope.name}, and only one is opened: {inner.cure}")
    yield from _split_records(content, inside, _yield_s3_entry)


def _split_records(body: JsonObject, nesting: Nesting, split: SplitMember) -> Iterator[Item | RefusedEntry]:
    """Yield the members of the `Records` of an object without an envelope, or the object itself."""
    if "Records" not in body:
        yield Item(body, nesting)
        return
    records = body["Records"]
    if not isinstance(records, list):
        raise MalformedEvent("Records of an S3 notification is a list with at least one entry")
    yield from _split_list(records, nesting, split)


def _split_record_entry(entry: object, nesting: Nesting) -> Iterator[Item | RefusedEntry]:
    """Yield the items of one of `Records`: an entry of S3, or a message of SQS or SNS as Lambda gets them."""
    envelope = _open_envelope(entry) if isinstance(entry, dict) else None
    if envelope is not None:
        yield from _split_content(envelope, nesting)
    else:
        yield from _yield_s3_entry(entry, nesting)


def _yield_s3_entry(entry: object, nesting: Nesting) -> Iterator[Item]:
    if not isinstance(entry, dict) or "eventName" not in entry:
        raise MalformedEvent("an S3 event named nothing is not known")
    yield Item(entry, nesting)


def _open_envelope(body: JsonObject) -> Envelope | None:
    """Return the envelope that `body` is; None if it is none. Raises: MalformedEvent for a broken or unreadable one."""
    if "specversion" in body:
        return _build_cloud_event(body, _read_cloud_payload(body))
    message = body.get("Sns", body)
    if isinstance(message, dict) and {"TopicArn", "Type"} <= message.keys():
        return _build_sns_envelope(message)
    if {"messageId", "body"} <= body.keys() or {"MessageId", "Body"} <= body.keys():
        sqs = validate(SqsMessage, body)
        return Envelope("an SQS message", "send the body of the message alone", sqs.body, sqs.id)
    if body.keys() == {"schema", "payload"}:
        return _build_connect_envelope(body["payload"])
    if {"before", "after", "op"} <= body.keys():
        raise MalformedEvent("a change event of Debezium: let its outbox event router send the event itself")
    return None


def _build_cloud_event(attributes: Mapping[str, object], payload: JsonObject) -> Envelope:
    """Build the envelope; its id holds source and id, which only together name a CloudEvent."""
    event = validate(CloudEvent, attributes)
    identity = str(uuid.uuid5(NAMESPACE, json.dumps([event.source, event.id])))
    return Envelope("a CloudEvent", "send the event itself", payload, identity)


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


def _build_sns_envelope(body: JsonObject) -> Envelope:
    if body["Type"] in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise MalformedEvent("a confirmation of SNS: confirm the subscription; only its notifications hold events")
    sns = validate(SnsMessage, body)
    return Envelope("an SNS notification", "switch raw message delivery of the subscription on", sns.message, sns.id)


def _build_connect_envelope(payload: object) -> Envelope:
    if not isinstance(payload, dict | str):
        raise MalformedEvent("the payload of the Kafka Connect record is neither a JSON object nor text")
    return Envelope("a Kafka Connect record", "set value.converter.schemas.enable=false", payload)


def decode_text(value: bytes | None) -> str:
    """Decode UTF-8; None is empty. Raises: MalformedEvent."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise MalformedEvent("not UTF-8") from None
