"""Dead letters as the DLT carries them, and which of them a replay may send again; pure."""

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pipeline.wire.record import RawRecord

MAX_REPLAYS = 4
OURS = "zoomin-"
EVENT_ID_HEADER = "zoomin-event-id"
REPLAY_HEADER = "zoomin-replay"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: where its record came from, why it ended here, and how often it was replayed before."""

    record: RawRecord
    topic: str
    place: str
    code: str
    detail: str
    event_id: str | None
    replays: int
    omitted: bool

    @classmethod
    def of(cls, record: RawRecord) -> "Letter | None":
        """None for a record that is no dead letter of ours."""
        topic, code = _text(record, "zoomin-dlt-topic"), _text(record, "zoomin-dlt-code")
        if not topic or not code:
            return None
        return cls(
            record=record,
            topic=topic,
            place=f"{topic}/{_text(record, 'zoomin-dlt-partition')}@{_text(record, 'zoomin-dlt-offset')}",
            code=code,
            detail=_text(record, "zoomin-dlt-detail"),
            event_id=_text(record, EVENT_ID_HEADER) or None,
            replays=replays_of(record),
            omitted=record.header("zoomin-dlt-value") == b"omitted",
        )

    @property
    def identity(self) -> str:
        return identity(self.record)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The original record's own, and the two by which the worker knows a replay."""
        own = [(name, value or b"") for name, value in self.record.headers if not name.lower().startswith(OURS)]
        if self.event_id:
            own.append((EVENT_ID_HEADER, self.event_id.encode()))
        return [*own, (REPLAY_HEADER, str(self.replays + 1).encode())]


def identity(record: RawRecord) -> str:
    """What makes a letter and its replay the same event: the event's id, else (nothing could be read) the bytes."""
    event_id = _text(record, EVENT_ID_HEADER)
    if event_id:
        return event_id
    digest = hashlib.sha256(repr((record.key, record.value)).encode()).hexdigest()
    return f"record:{digest}"


def replays_of(record: RawRecord) -> int:
    text = _text(record, REPLAY_HEADER)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` says why a letter is not sent again; None: it is."""

    letter: Letter
    reason: str | None


def decide(
    letters: Iterable[Letter],
    *,
    answered: AbstractSet[str],
    replayed: Mapping[str, int],
    code: str | None = None,
    limit: int | None = None,
) -> list[Decision]:
    """One decision for each letter of `code`, in their order.

    `answered`: event ids that have a verdict. `replayed`: the highest number of replay that the source topic holds,
    by identity; a letter that carries a lower number was already answered by a replay, whatever became of that.
    """
    letters = list(letters)
    newest = {letter.identity: letter for letter in sorted(letters, key=lambda letter: letter.replays)}
    decisions: list[Decision] = []
    sent = 0
    for letter in letters:
        if code not in (None, letter.code):
            continue
        reason = _reason(letter, newest[letter.identity], answered, replayed)
        if reason is None and limit is not None and sent >= limit:
            reason = "beyond --limit"
        sent += reason is None
        decisions.append(Decision(letter, reason))
    return decisions


def _reason(letter: Letter, newest: Letter, answered: AbstractSet[str], replayed: Mapping[str, int]) -> str | None:
    if letter.omitted:
        return "value omitted"
    if letter.event_id in answered:
        return "answered since"
    if replayed.get(letter.identity, 0) > letter.replays:
        return "replayed since"
    if letter is not newest:
        return "has a later letter"
    if letter.replays >= MAX_REPLAYS:
        return f"replayed {letter.replays} times"
    return None


def _text(record: RawRecord, name: str) -> str:
    return (record.header(name) or b"").decode(errors="replace")
