"""Index of the verdict topic: where the verdicts of an event lie, and which images and cases belong together.

It holds digests and places in the topic, no text of a verdict and no name of an object: about 300 bytes a verdict, in
an anonymous database.
"""

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pipeline.labeling.case_search import Selection
from pipeline.wire.labels import build_case_key
from pipeline.wire.messages import VerdictEvent
from worker.common.anonymous_database import open_anonymous_database
from worker.sampling.label_case import find_case_day

_SCHEMA = """
CREATE TABLE verdicts (
    number INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    decided_us INTEGER NOT NULL,
    event BLOB NOT NULL,
    object BLOB NOT NULL,
    image BLOB NOT NULL,
    case_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    UNIQUE (partition, position)
);
CREATE INDEX by_event ON verdicts (event);
CREATE INDEX by_object ON verdicts (object);
CREATE INDEX by_image ON verdicts (image);
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Coordinates of a verdict in its topic."""

    partition: int
    offset: int


class VerdictIndex:
    """Keeps the newest `max_verdicts`; those that it dropped were decided by `dropped_until`. Threads may share it."""

    def __init__(self, max_verdicts: int) -> None:
        self._max_verdicts = max_verdicts
        self.dropped_until = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()
        self._database = open_anonymous_database(_SCHEMA)

    def add(self, verdicts: Iterable[tuple[Place, VerdictEvent]]) -> None:
        """Add verdicts in one transaction; one that is there already stays as it is."""
        rows = [_build_row(place, verdict) for place, verdict in verdicts]
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR IGNORE INTO verdicts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._drop_oldest()
            self._database.execute("COMMIT")

    def find_places(self, event_id: str) -> list[Place]:
        """Return where the verdicts of an event lie, the latest first."""
        query = "SELECT partition, position FROM verdicts WHERE event = ? ORDER BY decided_us DESC, number DESC"
        return [Place(*row) for row in self._select(query, _digest(event_id))]

    def find_images(self, selection: Selection) -> frozenset[str]:
        """Return the sha256 of the images that the selection names by event or by object."""
        by_event, by_object = (
            "SELECT DISTINCT image FROM verdicts WHERE event = ?",
            "SELECT DISTINCT image FROM verdicts WHERE object = ?",
        )
        rows = [row for event_id in selection.event_ids for row in self._select(by_event, _digest(event_id))]
        rows += [row for names in selection.objects for row in self._select(by_object, _digest(*names))]
        return frozenset(image.hex() for (image,) in rows)

    def find_case_keys(self, sha256: str) -> list[str]:
        """Return the keys under which the cases of this image would lie; not every verdict has a case."""
        rows = self._select("SELECT case_id, day FROM verdicts WHERE image = ?", bytes.fromhex(sha256))
        return [build_case_key(case_id, date.fromordinal(day)) for case_id, day in rows]

    def find_first_times(self) -> dict[int, datetime]:
        """Return the time of the earliest verdict of each partition."""
        rows = self._select("SELECT partition, min(decided_us) FROM verdicts GROUP BY partition")
        return {partition: _read_time(decided_us) for partition, decided_us in rows}

    def __len__(self) -> int:
        return int(self._select("SELECT count(*) FROM verdicts")[0][0])

    def _drop_oldest(self) -> None:
        newest = self._database.execute("SELECT max(number) FROM verdicts").fetchone()[0] or 0
        too_old = (newest - self._max_verdicts,)
        dropped_us = self._database.execute(
            "SELECT max(decided_us) FROM verdicts WHERE number <= ?", too_old
        ).fetchone()
        if dropped_us[0] is not None:
            self.dropped_until = max(self.dropped_until, _read_time(dropped_us[0]))
            self._database.execute("DELETE FROM verdicts WHERE number <= ?", too_old)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _select(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()


def _build_row(place: Place, verdict: VerdictEvent) -> tuple[object, ...]:
    return (
        place.partition,
        place.offset,
        round(verdict.decided_at.timestamp() * 1e6),
        _digest(verdict.event_id),
        _digest(verdict.image.bucket, verdict.image.key),
        bytes.fromhex(verdict.image.sha256),
        verdict.verdict_id,
        find_case_day(verdict).toordinal(),
    )


def _read_time(decided_us: int) -> datetime:
    return datetime.fromtimestamp(decided_us / 1e6, UTC)


def _digest(*names: str) -> bytes:
    return hashlib.blake2b("\n".join(names).encode(errors="surrogatepass"), digest_size=16).digest()
