"""Holds what a record is read as: entries that are judged, ignored or refused, each with its place in the record."""

import re
from dataclasses import dataclass, field
from typing import Self

from pipeline.errors import PoisonError

Index = tuple[int, ...]
"""an entry's position in the list that its record holds, then in the list of that item; empty where there is no list"""

_PLACE = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>[0-9]{1,10})@(?P<offset>[0-9]{1,19})(?:#(?P<index>.+))?"
)
_INDEX = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,7}){0,3}")


@dataclass(frozen=True, slots=True)
class Place:
    """The coordinates of a record, and the index of one entry in it; an empty index is the whole record."""

    topic: str
    partition: int
    offset: int
    index: Index = ()

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}" + (f"#{format_index(self.index)}" if self.index else "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` has written; return None for anything else."""
        match = _PLACE.fullmatch(text)
        index = parse_index(match["index"] or "") if match else None
        if match is None or index is None:
            return None
        return cls(match["topic"], int(match["partition"]), int(match["offset"]), index)


def format_index(index: Index) -> str:
    return ".".join(map(str, index))


def parse_index(text: str) -> Index | None:
    """Read what `format_index` has written; return None for anything else."""
    if not text:
        return ()
    return tuple(map(int, text.split("."))) if _INDEX.fullmatch(text) else None


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
class NamedImage:
    """An image as its sender names it: the bucket is not yet checked, the event has no id yet."""

    image: ImageRef
    own_id: str | None = None
    sequencer: str | None = None
    source: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageEvent:
    """One image to judge."""

    event_id: str
    image: ImageRef
    source: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    index: Index = ()


@dataclass(frozen=True, slots=True)
class IgnoredEntry:
    """An entry that brings no new image; `reason` is a sentence for operators."""

    reason: str
    index: Index = ()


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry, or with an empty index maybe the whole record, that is dead-lettered; its id where that is known."""

    error: PoisonError
    index: Index = ()
    event_id: str | None = None


Entry = ImageEvent | IgnoredEntry | RefusedEntry
