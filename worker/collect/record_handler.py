"""One record of a topic of the platform from arrival to outcome: collected, or a dead letter with the reason."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import FatalError, ZoomInError
from pipeline.wire.record import RawRecord
from worker.handler import Outcome, build_fault
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch


class Collector(Protocol):
    async def collect(self, record: RawRecord, watch: Stopwatch) -> None:
        """Do what the record asks for, and report it. Raises: ZoomInError."""


@dataclass(frozen=True, slots=True)
class RecordHandler:
    collector: Collector
    publisher: RetryingPublisher
    observer: EventObserver

    async def handle(self, record: RawRecord) -> Outcome:
        """Return when the record is collected, or its dead letter is acknowledged. Raises: FatalError alone."""
        with self.observer.trace_record(record):
            watch = self.observer.start_stopwatch(record)
            try:
                await self.collector.collect(record, watch)
            except FatalError:
                raise
            except ZoomInError as error:
                return await self._publish_dead_letter(record, error, watch)
            except Exception as error:  # noqa: BLE001 - our bug: one record pays
                return await self._publish_dead_letter(record, build_fault(error), watch)
        return Outcome((None,))

    async def _publish_dead_letter(self, record: RawRecord, error: ZoomInError, watch: Stopwatch) -> Outcome:
        """Publish the letter without an event id: several reviews may be of one event, and each is replayed."""
        error.stage = error.stage or watch.stage
        await self.publisher.publish_dead_letter(
            record,
            error,
            event_id=None,
            traceparent=self.observer.read_traceparent(),
            acknowledged=lambda: self.observer.count_dead_letter(error),
        )
        self.observer.log_dead_letter(record, error, None)
        return Outcome((error.code,))
