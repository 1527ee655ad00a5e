"""Events that are judged again because of the revision that their verdict came from; pure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.wire.entries import Place
from pipeline.wire.events import EVENT_ID_HEADER, ImageEventMessage
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.kafka.outgoing import REJUDGE_OF_HEADER, OutgoingMessage

RECENT = timedelta(minutes=10)
"""before the newest verdict: workers that answered in it still serve"""
MOST_NAMES = 1000
"""of revisions, and of workers"""


def build_rejudge_message(verdict: VerdictEvent, record: RawRecord) -> OutgoingMessage:
    """Build an event of ours, under the same id and key, for exactly the bytes that `verdict` judged.

    The first record may have named no version, so that by now it would mean another image. `record` holds the verdict.
    Raises: pydantic.ValidationError for a verdict that no event of ours can repeat.
    """
    image = verdict.image
    event = ImageEventMessage(
        id=verdict.event_id,
        url=f"s3://{image.bucket}/{image.key}",
        etag=image.etag,
        version_id=image.version_id,
        sha256=image.sha256,
        source=verdict.source,
        attributes=verdict.attributes,
    )
    traceparent = record.get_header("traceparent")
    headers = {
        "content-type": b"application/json",
        **({"traceparent": traceparent} if traceparent else {}),
        EVENT_ID_HEADER: verdict.event_id.encode(),
        REJUDGE_OF_HEADER: str(find_place(record)).encode(),
    }
    return OutgoingMessage(record.key, event.model_dump_json(exclude_none=True).encode(), tuple(headers.items()))


def read_rejudged(record: RawRecord) -> tuple[str, Place] | None:
    """Return event id and place of the verdict for which an input record was sent again; None for any other record."""
    event_id, place = (
        (record.get_header(name) or b"").decode(errors="replace") for name in (EVENT_ID_HEADER, REJUDGE_OF_HEADER)
    )
    found = Place.parse(place) if event_id else None
    return (event_id, found) if found else None


def find_place(record: RawRecord) -> Place:
    return Place(record.topic, record.partition, record.offset)


@dataclass(slots=True)
class ServingRevisions:
    """The revisions of verdicts: how many each has, and which one each worker answered with last."""

    counts: Counter[str] = field(default_factory=Counter)
    newest: tuple[datetime, str] | None = None
    by_worker: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def add(self, verdict: VerdictEvent) -> None:
        revision, answer = verdict.model.revision, (verdict.decided_at, verdict.model.revision)
        if revision in self.counts or len(self.counts) < MOST_NAMES:
            self.counts[revision] += 1
        self.newest = max(self.newest or answer, answer)
        earlier = self.by_worker.pop(verdict.worker, answer)
        self.by_worker[verdict.worker] = max(earlier, answer)  # behind the others: the first one is dropped
        if len(self.by_worker) > MOST_NAMES:
            del self.by_worker[next(iter(self.by_worker))]

    def list_workers(self, revision: str) -> list[str]:
        """List the workers whose last verdict comes from `revision` and is recent."""
        if self.newest is None:
            return []
        since = self.newest[0] - RECENT
        return sorted(worker for worker, (at, last) in self.by_worker.items() if last == revision and at >= since)
