"""Verdicts and dead letters on their way out: what is said, and to which topic; how it gets there is the delivery's."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline.errors import InternalFault, ZoomInError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.common.settings import KafkaSettings
from worker.kafka.outgoing import Compose, Outgoing, dead_letter_message, verdict_message


class Delivery(Protocol):
    async def deliver(
        self, topic: str, record: RawRecord, compose: Compose, *, acknowledged: Callable[[], None]
    ) -> None:
        """Takes charge of what answers `record`; `acknowledged` is called when Kafka has it for good."""


class KafkaPublisher:
    def __init__(
        self,
        settings: KafkaSettings,
        worker: str,
        delivery: Delivery,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._delivery = delivery
        self._now = now

    async def verdict(
        self,
        event: VerdictEvent,
        record: RawRecord,
        *,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Raises: BrokerUnavailable; InternalFault for a verdict larger than its topic takes."""
        topic = self._settings.verdict_topic

        def compose(limit_bytes: int) -> Outgoing:
            message = verdict_message(event, record, traceparent=traceparent, limit_bytes=limit_bytes)
            if message.size_bytes > limit_bytes:
                raise InternalFault(f"{message.size_bytes} bytes are more than topic {topic} takes")
            return message

        await self._delivery.deliver(topic, record, compose, acknowledged=acknowledged)

    async def dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Raises: BrokerUnavailable."""

        def compose(limit_bytes: int) -> Outgoing:
            return dead_letter_message(
                record,
                error,
                event_id=event_id,
                traceparent=traceparent,
                worker=self._worker,
                failed_at=self._now(),
                limit_bytes=limit_bytes,
            )

        await self._delivery.deliver(self._settings.dead_letter_topic, record, compose, acknowledged=acknowledged)
