"""Reads verdicts as JSON lines, from a file, a gzipped file or stdin, one at a time; other lines are counted."""

import gzip
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import ValidationError

from pipeline.errors import BadSettings
from pipeline.wire.messages import VerdictEvent

STDIN = "-"
MOST_LINE_BYTES = 4_000_000
MOST_EXAMPLES = 5
GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class SkippedLines:
    """Lines that are no verdicts: their number by reason, and where the first ones stand."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, place: str, reason: str) -> None:
        self.counts[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{place}: {reason}")


def read_verdicts(name: str, skipped: SkippedLines) -> Iterator[VerdictEvent]:
    """Yield the verdicts of a file, or of stdin for `-`. Raises: BadSettings for a file that cannot be opened."""
    title = "stdin" if name == STDIN else Path(name).name
    with _open_lines(name) as lines:
        yield from parse_verdicts(lines, title, skipped)


def parse_verdicts(lines: BinaryIO, title: str, skipped: SkippedLines) -> Iterator[VerdictEvent]:
    """Yield the verdicts of a stream; `title` names it in what is skipped."""
    number = 0
    while True:
        try:
            line = lines.readline(MOST_LINE_BYTES)
        except (EOFError, OSError, gzip.BadGzipFile) as error:
            skipped.add(f"{title} line {number + 1}", f"the file ends here: {error}")
            return
        if not line:
            return
        number += 1
        if not line.strip():
            continue
        event = _parse_verdict(line)
        if isinstance(event, VerdictEvent):
            yield event
        else:
            skipped.add(f"{title} line {number}", event)


def _parse_verdict(line: bytes) -> VerdictEvent | str:
    try:
        return VerdictEvent.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].partition(' at line')[0]}".removeprefix(": ")


@contextmanager
def _open_lines(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            packed = file.peek(len(GZIP))[: len(GZIP)] == GZIP
            with gzip.open(file) if packed else nullcontext(file) as lines:
                yield cast(BinaryIO, lines)
    except FileNotFoundError as error:
        raise BadSettings(f"{name}: there is no such file; it holds what `zoomin tail --json` prints") from error
