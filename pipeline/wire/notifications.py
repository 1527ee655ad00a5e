"""Reads what S3 reports about one object, in S3's own form or in EventBridge's: an image, or nothing that is new.

A name that stands in no list of AWS, MinIO or Ceph is refused: it might bring an image that nobody would judge.
"""

import re
from urllib.parse import unquote_plus

from pipeline.errors import MalformedEvent
from pipeline.wire.entries import ImageRef, NamedImage
from pipeline.wire.event_shapes import BridgeEvent, S3Record, StoredObject, strip_quotes, validate
from pipeline.wire.strict_json import JsonObject
from pipeline.wire.urls import MAX_KEY_BYTES, redact_text

# MinIO sends these four under ObjectCreated although the object's bytes stay as they are.
_METADATA = re.compile(r"ObjectCreated:(?:PutTagging|DeleteTagging|PutRetention|PutLegalHold)")
# Ceph reports an object that came from another zone as ObjectSynced:Create, and lists Replication:Create as its equal.
_JUDGED = re.compile(r"ObjectCreated:.+|(?:ObjectSynced|Replication):Create", re.DOTALL)
_IGNORED = re.compile(
    r"ObjectSynced:(?:Delete|DeletionMarkerCreated)"
    r"|(?:ObjectRemoved|ObjectTagging|ObjectAcl|ObjectAnnotation|ObjectRestore|ObjectAccessed|ObjectTransition"
    r"|ObjectLifecycle|Lifecycle\w*|Replication|IntelligentTiering|ReducedRedundancyLostObject|Scanner"
    r"|BucketCreated|BucketRemoved|TestEvent)(?::.*)?",
    re.DOTALL,
)
_BRIDGE_IGNORED = re.compile(
    r"Object (?:Deleted|Restore \w+|Tags \w+|Annotation \w+|ACL Updated|Storage Class Changed|Access Tier Changed)"
)

_FOLDER = "a folder marker: its key ends in / and it holds no bytes"


def read_s3_entry(entry: JsonObject) -> NamedImage | str:
    """Read one entry of an S3 notification; text says why it is ignored. Raises: MalformedEvent."""
    reason = explain_ignored_name(entry.get("eventName"))
    if reason:
        return reason
    s3 = validate(S3Record, entry).s3
    key, raw_key = _decode_key(s3.object.key)
    if _is_folder(key, s3.object):
        return _FOLDER
    etag = strip_quotes(s3.object.etag)
    image = ImageRef(s3.bucket.name, key, etag, s3.object.version_id or None, other_key=raw_key if etag else None)
    return NamedImage(image, sequencer=s3.object.sequencer)


def explain_ignored_name(name: object) -> str | None:
    """Return why an event of this name is ignored; None if it is judged.

    Raises: MalformedEvent for an unknown name.
    """
    text = name.removeprefix("s3:") if isinstance(name, str) else ""
    if _METADATA.fullmatch(text):
        return f"{text!r} brings no new bytes"
    if _JUDGED.fullmatch(text):
        return None
    if _IGNORED.fullmatch(text):
        return f"{redact_text(text)} brings no new image"
    raise MalformedEvent(f"an S3 event named {redact_text(name) if isinstance(name, str) else 'nothing'} is not known")


def read_bridge_event(body: JsonObject) -> NamedImage | str:
    """Read one event of EventBridge, whose keys are raw; text says why it is ignored. Raises: MalformedEvent."""
    kind = body["detail-type"]
    if kind != "Object Created":
        if isinstance(kind, str) and _BRIDGE_IGNORED.fullmatch(kind):
            return f"{redact_text(kind)} brings no new image"
        raise MalformedEvent(f"an EventBridge event of type {redact_text(str(kind)[:200])} is not known")
    event = validate(BridgeEvent, body)
    stored = event.detail.object
    if _is_folder(stored.key, stored):
        return _FOLDER
    image = ImageRef(event.detail.bucket.name, stored.key, strip_quotes(stored.etag), stored.version_id or None)
    return NamedImage(image, event.id, stored.sequencer)


def _is_folder(key: str, stored: StoredObject) -> bool:
    return key.endswith("/") and stored.size == 0


def _decode_key(key: str) -> tuple[str, str | None]:
    """Return the form-decoded key (AWS encodes keys) and, where it differs, the key as it was sent."""
    try:
        decoded = unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key, None
    return decoded, key if key != decoded and len(key) <= MAX_KEY_BYTES else None
