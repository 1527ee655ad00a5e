"""Verdicts of one pool as columns: a row for each event, with its latest verdict by the newest revision."""

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record_time import find_record_time
from training.common.resampling import Floats
from training.estimates.event_hash import EventHashes, hash_event
from training.estimates.intervals import Bools, Integers

MOST_REVISIONS = 1000
_MICROSECONDS = 1_000_000
_TYPECODES = {
    "event": "Q",
    "decided_us": "q",
    "written_us": "q",
    "p_generated": "d",
    "generated": "b",
    "uncertain": "b",
    "seconds": "d",
    "revision": "H",
}


@dataclass(frozen=True, slots=True, eq=False)
class JudgedEvents:
    """Columns sorted by `event`; `written_us` is when the event came in, `seconds` its work without the queue."""

    event: EventHashes
    decided_us: npt.NDArray[np.int64]
    written_us: npt.NDArray[np.int64]
    p_generated: Floats
    generated: Bools
    uncertain: Bools
    seconds: Floats

    def __len__(self) -> int:
        return len(self.event)

    def select(self, rows: Integers) -> "JudgedEvents":
        return JudgedEvents(*(getattr(self, name)[rows] for name in self.__slots__))

    def find_row(self, event_id: str) -> int | None:
        """Return the row of an event; None if it has none."""
        hashed = np.uint64(hash_event(event_id))
        row = int(np.searchsorted(self.event, hashed))
        return row if row < len(self) and self.event[row] == hashed else None


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The verdicts of a topic by the revision that judged last; `verdicts` counts those of every revision."""

    topic: str
    model: str
    revision: str
    verdicts: Counter[str]
    judged: JudgedEvents


class PoolColumns:
    """Verdicts of a topic as they are read, about 50 bytes each."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _TYPECODES.items()}
        self._revisions: dict[str, int] = {}
        self._models: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._columns["event"])

    def add(self, event: VerdictEvent) -> None:
        """Append a verdict. Raises: BadSettings for a topic with too many revisions."""
        revision = self._revisions.setdefault(event.model.revision, len(self._revisions))
        if revision >= MOST_REVISIONS:
            raise BadSettings(f"topic {self._topic} holds over {MOST_REVISIONS} revisions: look at less by --since")
        self._models[event.model.revision] = event.model.name
        row = {
            "event": hash_event(event.event_id),
            "decided_us": round(event.decided_at.timestamp() * _MICROSECONDS),
            "written_us": round(find_record_time(event).timestamp() * _MICROSECONDS),
            "p_generated": event.p_generated,
            "generated": event.verdict is Verdict.GENERATED,
            "uncertain": event.uncertain,
            "seconds": event.timing_s.get("total", 0.0) - event.timing_s.get("queued", 0.0),
            "revision": revision,
        }
        for name, column in self._columns.items():
            column.append(row[name])

    def build(self) -> Pool:
        """Return the latest verdict of each event by the revision of the newest verdict.

        Raises: BadSettings without any verdict.
        """
        if not len(self):
            raise BadSettings(f"topic {self._topic} holds no verdict of these events")
        columns = {name: np.frombuffer(column, column.typecode) for name, column in self._columns.items()}
        newest = columns["revision"][np.argmax(columns["decided_us"])]
        counts = np.bincount(columns["revision"], minlength=len(self._revisions))
        rows = np.flatnonzero(columns["revision"] == newest)
        rows = rows[np.lexsort((columns["decided_us"][rows], columns["event"][rows]))]
        events = columns["event"][rows]
        rows = rows[np.r_[events[1:] != events[:-1], True]]
        judged = JudgedEvents(
            event=columns["event"][rows],
            decided_us=columns["decided_us"][rows],
            written_us=columns["written_us"][rows],
            p_generated=columns["p_generated"][rows],
            generated=columns["generated"][rows] > 0,
            uncertain=columns["uncertain"][rows] > 0,
            seconds=columns["seconds"][rows],
        )
        revision = list(self._revisions)[int(newest)]
        verdicts = Counter({name: int(counts[number]) for name, number in self._revisions.items()})
        return Pool(self._topic, self._models[revision], revision, verdicts, judged)


def join_events(champion: JudgedEvents, challenger: JudgedEvents) -> tuple[JudgedEvents, JudgedEvents]:
    """Return the rows of the events that both judged, in the same order."""
    _, first, second = np.intersect1d(champion.event, challenger.event, assume_unique=True, return_indices=True)
    return champion.select(first), challenger.select(second)
