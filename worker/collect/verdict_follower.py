"""Follower of the verdict topic: reads it from a time on and keeps the index up to date, on a thread of its own.

Invariant: every verdict that Kafka had at the time `complete_at` is in the index, unless it was dropped there.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from pydantic import ValidationError

from pipeline.errors import BrokerUnavailable, FatalError, OutageError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.collect.verdict_index import Place, VerdictIndex
from worker.common.sections import KafkaSettings
from worker.kafka.topic_reader import TopicReader
from worker.observe import telemetry

TURN_S = 1.0
"""pause between two looks at the end of the topic"""
CLOSE_TIMEOUT_S = 5.0


class VerdictFollower:
    """`problem` says in one sentence why the index is followed no longer; None while it is."""

    def __init__(
        self,
        settings: KafkaSettings,
        index: VerdictIndex,
        *,
        since: datetime,
        on_outage: Callable[[OutageError | None], None],
    ) -> None:
        self._settings = settings
        self._index = index
        self._since = self._read_since = since
        self._on_outage = on_outage
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.complete_at = -float("inf")
        self.problem: str | None = None

    @property
    def complete_since(self) -> datetime:
        """The time from which on every verdict is in the index."""
        return max(self._read_since, self._index.dropped_until)

    def start(self) -> None:
        """Read the topic to its present end, and go on reading it on a thread until `close`.

        Raises: FatalError if no broker answers; TopicMissing.
        """
        reader = TopicReader(self._settings, self._settings.verdict_topic, since=self._since)
        self._read_to_end(reader)
        first_times, now = self._index.find_first_times(), datetime.now(UTC)
        cut = reader.find_cut_partitions(self._settings.verdict_topic)
        self._read_since = max([self._since, *(first_times.get(partition, now) for partition in cut)])
        self._thread = threading.Thread(target=self._follow, args=(reader,), name="verdict-follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(CLOSE_TIMEOUT_S)

    def _follow(self, reader: TopicReader) -> None:
        """Read on until `close`; wait out an outage, and give up after an error that is our own."""
        in_outage = False
        with reader:
            while not self._stopping.wait(TURN_S):
                try:
                    self._read_to_end(reader)
                except FatalError as error:
                    if not in_outage:
                        self._on_outage(BrokerUnavailable(error.detail))
                    in_outage = True
                except Exception as error:  # noqa: BLE001 - a full disk, or a bug of ours
                    self.problem = f"the verdict topic is followed no longer: {type(error).__name__}: {error}"
                    telemetry.get_logger().exception(telemetry.WORKER_FAILED, detail=self.problem)
                    return
                else:
                    if in_outage:
                        self._on_outage(None)
                    in_outage = False

    def _read_to_end(self, reader: TopicReader) -> None:
        asked_at = time.monotonic()
        for batch in reader.read_stored_batches():
            self._index.add(_read_verdicts(batch))
            if self._stopping.is_set():
                return
        self.complete_at = asked_at


def _read_verdicts(records: Iterable[RawRecord]) -> Iterator[tuple[Place, VerdictEvent]]:
    """Yield the verdicts; anything else that somebody wrote into the topic is left out."""
    for record in records:
        try:
            verdict = VerdictEvent.model_validate_json(record.value or b"")
            bytes.fromhex(verdict.image.sha256)
        except (ValidationError, ValueError):
            continue
        yield Place(record.partition, record.offset), verdict
