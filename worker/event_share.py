"""The share of all events that this worker judges, drawn by their ids; a shadow pool judges a part of the stream."""

from dataclasses import dataclass

from pipeline.wire.entries import ImageEvent, Place, RefusedEntry
from pipeline.wire.record import RawRecord
from worker.common.draws import draw

DECISION = "share"


@dataclass(frozen=True, slots=True)
class EventShare:
    """Draws `fraction` of the events; all pools with the same salt draw the same ones."""

    fraction: float
    salt: bytes

    def holds(self, entry: ImageEvent | RefusedEntry, record: RawRecord) -> bool:
        """Return whether this worker answers the entry; one without an id is drawn by its place."""
        name = entry.event_id or str(Place(record.topic, record.partition, record.offset, entry.index))
        return draw(DECISION, self.fraction, name, self.salt)
