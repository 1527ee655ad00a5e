"""Store the answers of endpoints in a file, so that a build that resumes or is repeated does not pay twice.

Invariant: each line is an answer that could be parsed; a line that a crash cut short is ignored.
"""

import hashlib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "journal.jsonl"


class JournalEntry(BaseModel):
    """An answer under the digest of everything on which it depends."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    key: str
    text: str


class Journal:
    """Answers by key, for one process at a time; each answer is flushed before it is used."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._texts = _read_texts(path)
        self._stream = path.open("a")
        if self._stream.tell():
            self._stream.write("\n")  # ends a line that was cut short; an empty line is ignored

    def get(self, key: str) -> str | None:
        return self._texts.get(key)

    def put(self, key: str, text: str) -> None:
        self._texts[key] = text
        self._stream.write(JournalEntry(key=key, text=text).model_dump_json() + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()


def build_key(*parts: str) -> str:
    """Build one digest of all parts; the boundaries between parts count."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def _read_texts(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    if path.is_file():
        with path.open("rb") as stream:
            for line in stream:
                try:
                    entry = JournalEntry.model_validate_json(line)
                except ValidationError:
                    continue
                texts[entry.key] = entry.text
    return texts
