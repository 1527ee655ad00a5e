"""Publisher of verdicts and dead letters: builds their messages and hands them to a delivery."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline.errors import InternalFault, ZoomInError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.common.sections import KafkaSettings
from worker.kafka.outgoing import MessageBuilder, OutgoingMessage, build_dead_letter_message, build_verdict_message


class Delivery(Protocol):
    async def deliver(
        self, topic: str, record: RawRecord, build_message: MessageBuilder, *, acknowledged: Callable[[], None]
    ) -> None:
        """Deliver the message that answers `record`, and call `acknowledged` when the brokers have stored it."""


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

    async def publish_verdict(
        self,
        event: VerdictEvent,
        record: RawRecord,
        *,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Publish the verdict. Raises: BrokerUnavailable; InternalFault for a verdict larger than its topic takes."""
        topic = self._settings.verdict_topic

        def build_message(limit_bytes: int) -> OutgoingMessage:
            message = build_verdict_message(event, record, traceparent=traceparent, limit_bytes=limit_bytes)
            if message.size_bytes > limit_bytes:
                raise InternalFault(f"{message.size_bytes} bytes are more than topic {topic} takes")
            return message

        await self._delivery.deliver(topic, record, build_message, acknowledged=acknowledged)

    async def publish_dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Publish the record with the error as a dead letter. Raises: BrokerUnavailable."""

        def build_message(limit_bytes: int) -> OutgoingMessage:
            return build_dead_letter_message(
                record,
                error,
                event_id=event_id,
                traceparent=traceparent,
                worker=self._worker,
                failed_at=self._now(),
                limit_bytes=limit_bytes,
            )

        await self._delivery.deliver(self._settings.dead_letter_topic, record, build_message, acknowledged=acknowledged)
