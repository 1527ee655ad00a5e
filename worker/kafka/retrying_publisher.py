"""Publication through an outage: verdicts and dead letters are tried again until the broker accepts them."""

from collections.abc import Callable
from typing import Protocol

from pipeline.errors import ZoomInError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.common.retry import Retrier


class Publisher(Protocol):
    """Calls `acknowledged` when Kafka has stored the message for good, which may be after the method has returned."""

    async def publish_verdict(
        self, event: VerdictEvent, record: RawRecord, *, traceparent: str | None, acknowledged: Callable[[], None]
    ) -> None: ...

    async def publish_dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None,
        acknowledged: Callable[[], None],
    ) -> None: ...


class RetryingPublisher:
    """A Publisher. `letter_retrier` must have endless patience: an event has no place to go after the dead letters."""

    def __init__(self, publisher: Publisher, *, verdict_retrier: Retrier, letter_retrier: Retrier) -> None:
        self._publisher = publisher
        self._verdict_retrier = verdict_retrier
        self._letter_retrier = letter_retrier

    async def publish_verdict(
        self, event: VerdictEvent, record: RawRecord, *, traceparent: str | None, acknowledged: Callable[[], None]
    ) -> None:
        """Publish the verdict, however long its topic refuses all of them.

        Raises: PersistentRefusal of MessageTooLarge when the topic takes other verdicts and this one is too large.
        """
        await self._verdict_retrier.call(
            lambda: self._publisher.publish_verdict(event, record, traceparent=traceparent, acknowledged=acknowledged)
        )

    async def publish_dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None,
        acknowledged: Callable[[], None],
    ) -> None:
        """Publish the record with its error as a dead letter, however long the broker takes."""
        await self._letter_retrier.call(
            lambda: self._publisher.publish_dead_letter(
                record, error, event_id=event_id, traceparent=traceparent, acknowledged=acknowledged
            )
        )
