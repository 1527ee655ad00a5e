"""Short ways to read a record of a test: its images, or the one reason for which it is refused."""

import json
import uuid
from typing import Any

from pipeline.errors import PoisonError
from pipeline.wire.entries import IgnoredEntry, ImageEvent, ImageRef, RefusedEntry
from pipeline.wire.events import Addressing, parse_record
from pipeline.wire.messages import NAMESPACE
from tests.support.builders import AWS, build_record


def read_events(value: object, addressing: Addressing = AWS, **kw: Any) -> list[ImageEvent]:
    """Return the image events of a record that holds nothing else."""
    entries = parse_record(build_record(value, **kw), addressing)
    events = [entry for entry in entries if isinstance(entry, ImageEvent)]
    assert events == entries, entries
    return events


def read_images(value: object, addressing: Addressing = AWS, **kw: Any) -> list[ImageRef]:
    return [event.image for event in read_events(value, addressing, **kw)]


def read_refusal(value: object, addressing: Addressing = AWS, **kw: Any) -> PoisonError:
    """Return the error of a record, or of its only entry, that is refused."""
    (entry,) = parse_record(build_record(value, **kw), addressing)
    assert isinstance(entry, RefusedEntry), entry
    return entry.error


def read_malformed(value: object, addressing: Addressing = AWS, **kw: Any) -> str:
    """Return the detail of a record that is malformed."""
    error = read_refusal(value, addressing, **kw)
    assert error.code == "malformed_event", error.code
    return error.detail


def read_ignored(value: object, addressing: Addressing = AWS, **kw: Any) -> list[str]:
    """Return the reasons for which all entries of a record are ignored."""
    entries = parse_record(build_record(value, **kw), addressing)
    ignored = [entry for entry in entries if isinstance(entry, IgnoredEntry)]
    assert ignored == entries, entries
    return [entry.reason for entry in ignored]


def hash_identity(*parts: object) -> str:
    """Return the event id that is built from these parts."""
    return str(uuid.uuid5(NAMESPACE, json.dumps(parts)))
