"""Dead letters of the dead-letter topic, and the decision which of them a replay sends again; pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.wire.entries import Place, format_index, parse_index
from pipeline.wire.events import EVENT_ID_HEADER, REPLAY_OF_HEADER
from pipeline.wire.record import RawRecord
from worker.kafka.outgoing import HEADER_PREFIX, REPLAY_HEADER

MAX_REPLAYS = 4


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: the origin of its record, the reason of its failure, and the number of earlier replays."""

    record: RawRecord
    topic: str
    origin: str
    code: str
    detail: str
    event_id: str | None
    replays: int
    omitted: bool

    @classmethod
    def from_record(cls, record: RawRecord) -> "DeadLetter | None":
        """Read a dead letter; return None if the record is none of ours."""
        topic, code = _read_header(record, "zoomin-dlt-topic"), _read_header(record, "zoomin-dlt-code")
        if not topic or not code:
            return None
        partition, offset = _read_header(record, "zoomin-dlt-partition"), _read_header(record, "zoomin-dlt-offset")
        index = _read_header(record, "zoomin-dlt-index")
        return cls(
            record=record,
            topic=topic,
            origin=f"{topic}/{partition}@{offset}" + (f"#{index}" if index else ""),
            code=code,
            detail=_read_header(record, "zoomin-dlt-detail"),
            event_id=_read_header(record, EVENT_ID_HEADER) or None,
            replays=count_replays(record),
            omitted=record.get_header("zoomin-dlt-value") == b"omitted",
        )

    @property
    def identity(self) -> str:
        return identify(self.record)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The original record's headers, and those by which the worker recognizes a replay and the entry it means."""
        own = [
            (name, value or b"") for name, value in self.record.headers if not name.lower().startswith(HEADER_PREFIX)
        ]
        if self.event_id:
            own.append((EVENT_ID_HEADER, self.event_id.encode()))
        first_place = _find_first_place(self.record)
        if first_place:
            own.append((REPLAY_OF_HEADER, str(first_place).encode()))
        return [*own, (REPLAY_HEADER, str(self.replays + 1).encode())]


def identify(record: RawRecord) -> str:
    """Return what a letter and its replay share: the event id, or a digest of bytes and index if there is no id."""
    event_id = _read_header(record, EVENT_ID_HEADER)
    if event_id:
        return event_id
    digest = hashlib.sha256(repr((record.key, record.value)).encode()).hexdigest()
    first_place = _find_first_place(record)
    return f"record:{digest}" + (f"#{format_index(first_place.index)}" if first_place and first_place.index else "")


def _find_first_place(record: RawRecord) -> Place | None:
    """Return where the record of a letter or of a replay lay before any replay; None if its headers do not say."""
    index = parse_index(_read_header(record, "zoomin-dlt-index"))
    earlier = Place.parse(_read_header(record, REPLAY_OF_HEADER))
    if earlier:
        return replace(earlier, index=index or earlier.index)
    topic, partition, offset = (_read_header(record, f"zoomin-dlt-{name}") for name in ("topic", "partition", "offset"))
    own = Place.parse(f"{topic}/{partition}@{offset}")
    return replace(own, index=index or ()) if own else None


def count_replays(record: RawRecord) -> int:
    text = _read_header(record, REPLAY_HEADER)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


@dataclass(frozen=True, slots=True)
class ReplayDecision:
    """The decision on a letter: `reason` says why it is skipped; None if it is sent again."""

    letter: DeadLetter
    reason: str | None


def decide_replays(
    letters: Iterable[DeadLetter],
    *,
    answered: Mapping[str, int],
    replayed: Mapping[str, int],
    code: str | None = None,
    limit: int | None = None,
) -> list[ReplayDecision]:
    """Decide about each letter of `code`, in the order given.

    `answered`: the time of the latest verdict in milliseconds, by event id; a later letter is about a second judgement.
    `replayed`: the highest replay number in the source topic, by identity; a letter with a lower number has already
    been replayed, with any result.
    """
    letters = list(letters)
    newest = {letter.identity: letter for letter in sorted(letters, key=lambda letter: letter.replays)}
    decisions: list[ReplayDecision] = []
    sent = 0
    for letter in letters:
        if code not in (None, letter.code):
            continue
        reason = _find_skip_reason(letter, newest[letter.identity], answered, replayed)
        if reason is None and limit is not None and sent >= limit:
            reason = "beyond --limit"
        sent += reason is None
        decisions.append(ReplayDecision(letter, reason))
    return decisions


def _find_skip_reason(
    letter: DeadLetter, newest: DeadLetter, answered: Mapping[str, int], replayed: Mapping[str, int]
) -> str | None:
    if letter.omitted:
        return "value omitted"
    if letter.event_id and answered.get(letter.event_id, -1) >= letter.record.timestamp_ms:
        return "answered since"
    if replayed.get(letter.identity, 0) > letter.replays:
        return "replayed since"
    if letter is not newest:
        return "has a later letter"
    if letter.replays >= MAX_REPLAYS:
        return f"replayed {letter.replays} times"
    return None


def _read_header(record: RawRecord, name: str) -> str:
    return (record.get_header(name) or b"").decode(errors="replace")
