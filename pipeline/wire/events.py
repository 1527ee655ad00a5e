"""Reads Kafka records as image events: recognises their shape by the content and validates it strictly.

The shapes: our own JSON, a bare URL, S3 notifications, EventBridge; one envelope or batch around them is opened.
"""

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.errors import MalformedEvent, PoisonError
from pipeline.wire.entries import (
    Entry,
    IgnoredEntry,
    ImageEvent,
    ImageRef,
    Index,
    NamedImage,
    Place,
    RefusedEntry,
    format_index,
)
from pipeline.wire.envelopes import Item, Nesting, decode_text, split_record
from pipeline.wire.event_shapes import MAX_ID_LENGTH, ImageEventMessage, strip_quotes, validate
from pipeline.wire.messages import NAMESPACE
from pipeline.wire.notifications import explain_ignored_name, read_bridge_event, read_s3_entry
from pipeline.wire.record import RawRecord
from pipeline.wire.strict_json import JsonObject
from pipeline.wire.urls import Addressing, redact_text

__all__ = [
    "EVENT_ID_HEADER",
    "REPLAY_OF_HEADER",
    "Addressing",
    "ImageEvent",
    "ImageEventMessage",
    "ImageRef",
    "parse_record",
]

EVENT_ID_HEADER = "zoomin-event-id"
REPLAY_OF_HEADER = "zoomin-replay-of"
MAX_IMAGES = 100
MAX_ENTRIES = 1000
"""with the ignored ones; they are read on the event loop"""
MAX_LETTERS_BYTES = 16 * 1024 * 1024
"""of a record's own dead letters together: each of them holds the whole record"""


def parse_record(record: RawRecord, addressing: Addressing) -> list[Entry]:
    """Return the entries of a record: images to judge, and entries that are ignored or refused, in their order.

    A record that cannot be read at all is one refused entry; nothing is raised, whatever the bytes. A replayed record
    names in its headers where it lay first, and by index or event id the one entry that is meant: it is read as if it
    still lay there, and only that entry is returned, under that id.
    """
    try:
        first_place = _read_first_place(record)
        entries = _list_bounded(_read_entries(record, first_place, addressing))
        meant = _select_replayed(entries, first_place, record.get_header(EVENT_ID_HEADER))
        return _share_letter(meant, record.size_bytes, first_place.index)
    except MalformedEvent as error:
        return [RefusedEntry(error)]


def _read_first_place(record: RawRecord) -> Place:
    """Return the place that a replay names, else the record's own."""
    header = record.get_header(REPLAY_OF_HEADER)
    if not header:
        return Place(record.topic, record.partition, record.offset)
    place = Place.parse(decode_text(header))
    if place is None:
        raise MalformedEvent(f"the header {REPLAY_OF_HEADER} is not TOPIC/PARTITION@OFFSET, with #INDEX or without")
    return place


def _list_bounded(entries: Iterable[Entry]) -> list[Entry]:
    """List the entries; stop at too many, because each refused one becomes a letter that holds the whole record."""
    listed: list[Entry] = []
    answered = 0
    for entry in entries:
        answered += not isinstance(entry, IgnoredEntry)
        listed.append(entry)
        if answered > MAX_IMAGES:
            raise MalformedEvent(f"more than {MAX_IMAGES} images in one record")
        if len(listed) > MAX_ENTRIES:
            raise MalformedEvent(f"more than {MAX_ENTRIES} entries in one record")
    return listed


def _read_entries(record: RawRecord, place: Place, addressing: Addressing) -> Iterator[Entry]:
    if not record.value:
        if not record.key:
            raise MalformedEvent("the record has neither key nor value")
        yield IgnoredEntry("a tombstone: a key without a value")
        return
    for item in split_record(record):
        yield item if isinstance(item, RefusedEntry) else _read_item(item, place, addressing)


def _read_item(item: Item, place: Place, addressing: Addressing) -> Entry:
    index = item.nesting.index
    try:
        named = _name_image(item, addressing)
    except MalformedEvent as error:
        return RefusedEntry(error, index)
    if isinstance(named, str):
        return IgnoredEntry(named, index)
    event_id = _build_event_id(named, item.nesting, place)
    try:
        addressing.admit(named.image.bucket, named.image.key)
    except PoisonError as error:
        return RefusedEntry(error, index, event_id)
    return ImageEvent(event_id, named.image, named.source, named.attributes, index)


def _name_image(item: Item, addressing: Addressing) -> NamedImage | str:
    """Return the image that an item names, or as text why it is ignored."""
    body, envelope_id = item.body, item.nesting.envelope_id
    if isinstance(body, str):
        return NamedImage(_read_bare_url(body, addressing), envelope_id)
    if "eventName" in body:
        return read_s3_entry(body)
    if "detail-type" in body:
        return read_bridge_event(body)
    if "Event" in body and "url" not in body:  # S3 sends its test event without Records
        return _read_test_event(body["Event"])
    return _read_own_event(body, addressing, envelope_id)


def _read_test_event(name: object) -> str:
    reason = explain_ignored_name(name)
    if reason is None:
        raise MalformedEvent("an S3 event without Records names no image")
    return reason


def _read_bare_url(text: str, addressing: Addressing) -> ImageRef:
    url = text.removesuffix("\n").removesuffix("\r")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise MalformedEvent("one URL a record, without control characters")
    return ImageRef(*addressing.locate(url))


def _read_own_event(body: JsonObject, addressing: Addressing, envelope_id: str | None) -> NamedImage:
    if "url" not in body:
        raise MalformedEvent(
            "'url': Field required in our own event; others have Records (S3), detail-type (EventBridge) or "
            "specversion (CloudEvents)"
        )
    event = validate(ImageEventMessage, body)
    bucket, key = addressing.locate(event.url)
    sha256 = event.sha256.lower() if event.sha256 else None
    image = ImageRef(bucket, key, strip_quotes(event.etag), event.version_id or None, sha256)
    return NamedImage(image, event.id or envelope_id, None, event.source, event.attributes)


def _build_event_id(named: NamedImage, nesting: Nesting, place: Place) -> str:
    if named.own_id:
        return named.own_id
    image = named.image
    upload = (image.version_id or image.etag or "", named.sequencer or "")
    if any(upload):
        identity: tuple[str | int, ...] = (image.bucket, image.key, *upload)
    elif nesting.envelope_id:
        identity = (nesting.envelope_id, *nesting.index_in_envelope)
    else:
        identity = (place.topic, place.partition, place.offset, *(nesting.index or (0,)))
    return str(uuid.uuid5(NAMESPACE, json.dumps(identity)))


def _select_replayed(entries: list[Entry], place: Place, header: bytes | None) -> list[Entry]:
    """Return the entries that a replay means; all of them if the headers name neither index nor id."""
    event_id = decode_text(header)
    if len(event_id) > MAX_ID_LENGTH:
        raise MalformedEvent(f"the header {EVENT_ID_HEADER} is longer than {MAX_ID_LENGTH} characters")
    meant = [entry for entry in entries if entry.index[: len(place.index)] == place.index]
    if not meant:
        raise MalformedEvent(f"the replayed record has no entry at the index that {REPLAY_OF_HEADER} names")
    answered = [entry for entry in meant if not isinstance(entry, IgnoredEntry)]
    if not event_id or not answered:
        return meant
    if len(answered) == 1:
        return [replace(answered[0], event_id=event_id)]
    named = [entry for entry in answered if entry.event_id == event_id]
    if not named:
        raise MalformedEvent(f"none of the {len(answered)} images has the replayed id {redact_text(event_id)}")
    return [named[0]]


def _share_letter(entries: list[Entry], record_bytes: int, index: Index) -> list[Entry]:
    """Return the entries with one refusal for all broken ones if letters of their own were too large together.

    `index`: of all these entries; a replay of the shared letter reads every one of them again, under the same ids.
    """
    refused = [entry for entry in entries if isinstance(entry, RefusedEntry)]
    if len(refused) < 2 or len(refused) * record_bytes <= MAX_LETTERS_BYTES:
        return entries
    first = refused[0]
    detail = (
        f"too many broken entries for a record of this size ({record_bytes} bytes): {len(refused)} share this letter; "
        f"the first is at index {format_index(first.index)}: {first.error.code}: {first.error.detail[:256]}"
    )
    return [RefusedEntry(MalformedEvent(detail), index), *(e for e in entries if not isinstance(e, RefusedEntry))]
