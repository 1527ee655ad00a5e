"""Latest verdict of each event: whether it comes from one revision, and whether the event was sent again for it.

Held in an anonymous database, about 100 bytes an event.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from pipeline.wire.entries import Place
from pipeline.wire.messages import VerdictEvent
from worker.common.anonymous_database import open_anonymous_database

_SCHEMA = """
CREATE TABLE latest (
    event BLOB PRIMARY KEY,
    decided_us INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    is_meant INTEGER NOT NULL,
    was_meant INTEGER NOT NULL,
    is_sent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO latest (event, decided_us, partition, position, is_meant, was_meant) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (event) DO UPDATE SET
    was_meant = max(was_meant, excluded.was_meant),
    is_meant = iif(excluded.decided_us >= decided_us, excluded.is_meant, is_meant),
    partition = iif(excluded.decided_us >= decided_us, excluded.partition, partition),
    position = iif(excluded.decided_us >= decided_us, excluded.position, position),
    decided_us = max(decided_us, excluded.decided_us)
"""
_MARK = "UPDATE latest SET is_sent = 1 WHERE event = ? AND partition = ? AND position = ?"
_COUNT = """
SELECT count(*), coalesce(sum(was_meant), 0), coalesce(sum(is_meant), 0), coalesce(sum(is_meant AND is_sent), 0),
    min(iif(is_meant, decided_us, NULL)) FROM latest
"""


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events with a verdict; those of the revision at any time, at the latest, and at the latest and sent again.

    `first_decided_at` is the time of the earliest verdict that is its event's latest and of the revision.
    """

    events: int
    ever: int
    latest: int
    sent: int
    first_decided_at: datetime | None


class LatestVerdicts:
    """Verdicts may come in any order; of two that were decided at the same time the later one counts."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self._database = open_anonymous_database(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, verdicts: Iterable[tuple[Place, VerdictEvent]]) -> None:
        """Add verdicts with their places in the verdict topic, in one transaction."""
        self._run_all(_ADD, (self._build_row(place, verdict) for place, verdict in verdicts))

    def mark_sent(self, events: Iterable[tuple[str, Place]]) -> None:
        """Mark events that were sent again because of the verdict at this place, if it is still their latest."""
        self._run_all(_MARK, ((_digest(event_id), place.partition, place.offset) for event_id, place in events))

    def is_due(self, event_id: str, place: Place) -> bool:
        """Return whether the verdict at this place is the latest of its event, of the revision, and not yet sent."""
        query = "SELECT 1 FROM latest WHERE event = ? AND partition = ? AND position = ? AND is_meant AND NOT is_sent"
        return self._database.execute(query, (_digest(event_id), place.partition, place.offset)).fetchone() is not None

    def count(self) -> EventCounts:
        events, ever, latest, sent, first_us = self._database.execute(_COUNT).fetchone()
        first = datetime.fromtimestamp(first_us / 1e6, UTC) if first_us is not None else None
        return EventCounts(events, ever, latest, sent, first)

    def _build_row(self, place: Place, verdict: VerdictEvent) -> tuple[object, ...]:
        decided_us = round(verdict.decided_at.timestamp() * 1e6)
        is_meant = int(verdict.model.revision == self._revision)
        return _digest(verdict.event_id), decided_us, place.partition, place.offset, is_meant

    def _run_all(self, statement: str, rows: Iterator[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


def _digest(event_id: str) -> bytes:
    return hashlib.blake2b(event_id.encode(errors="surrogatepass"), digest_size=16).digest()
