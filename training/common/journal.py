"""Keep the answers of models in a file of JSON lines, so that a run that resumes or is repeated does not ask again.

Invariant: each line is an answer of use; a line that a crash cut short is ignored. Memory holds the places of answers.
"""

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class JournalEntry(BaseModel):
    """An answer under the digest of everything on which it depends.

    `image` is the digest of the image that it is about, by which it is forgotten; empty where nobody says.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    key: str
    text: str
    image: str = ""


class Journal:
    """Answers by key; each is in the file before it is used. Several processes may add to the same file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        if self._stream.tell():
            self._stream.write(b"\n")  # ends a line that was cut short; an empty line is ignored
            self._stream.flush()
        self._reader = path.open("rb", buffering=0)
        self._places = _find_places(path)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> str | None:
        place = self._places.get(key)
        return None if place is None else _read_entry(os.pread(self._reader.fileno(), place[1], place[0])).text

    def put(self, key: str, text: str, *, image: str = "") -> None:
        line = _render_line(JournalEntry(key=key, text=text, image=image))
        self._stream.write(line)
        self._stream.flush()
        self._places[key] = (self._stream.tell() - len(line), len(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()
        self._reader.close()


def keep_answers(path: Path, images: Collection[str]) -> None:
    """Delete the answers that are about none of `images`, or do not say about which; the file changes as a whole."""
    partial = path.with_name(f"{path.name}.partial")
    with path.open("rb") as stream, partial.open("wb") as kept:
        for line in stream:
            with suppress(ValidationError):
                entry = _read_entry(line)
                if entry.image in images:
                    kept.write(_render_line(entry))
    partial.replace(path)


def build_key(*parts: str) -> str:
    """Build one digest of all parts; the boundaries between parts count."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def _find_places(path: Path) -> dict[str, tuple[int, int]]:
    """Return the offset and length of each answer's line by its key."""
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    with path.open("rb") as stream:
        for line in stream:
            with suppress(ValidationError):
                places[_read_entry(line).key] = (offset, len(line))
            offset += len(line)
    return places


def _render_line(entry: JournalEntry) -> bytes:
    return entry.model_dump_json(exclude_defaults=True).encode() + b"\n"


def _read_entry(line: bytes) -> JournalEntry:
    return JournalEntry.model_validate_json(line)
