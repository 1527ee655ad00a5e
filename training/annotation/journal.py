"""What endpoints have answered, in a file: a build that goes on, or is made again, does not ask and pay twice.

Invariant: a line is an answer that could be read; a line that was cut short by a crash is none.
"""

import hashlib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "journal.jsonl"


class Answered(BaseModel):
    """An answer under the digest of everything that it depends on."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    key: str
    text: str


class Journal:
    """For one process at a time; each answer is handed to the system before it is used."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._texts = _read(path)
        self._stream = path.open("a")
        if self._stream.tell():
            self._stream.write("\n")  # ends a line that was cut short; an empty one is none

    def get(self, key: str) -> str | None:
        return self._texts.get(key)

    def put(self, key: str, text: str) -> None:
        self._texts[key] = text
        self._stream.write(Answered(key=key, text=text).model_dump_json() + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()


def key_of(*parts: str) -> str:
    """One digest for all parts; where one ends and the next begins counts."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def _read(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    if path.is_file():
        with path.open("rb") as stream:
            for line in stream:
                try:
                    answered = Answered.model_validate_json(line)
                except ValidationError:
                    continue
                texts[answered.key] = answered.text
    return texts
