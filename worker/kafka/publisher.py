"""Publisher of verdicts and dead letters: builds their messages and hands them to a delivery."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline.errors import MessageTooLarge, ZoomInError
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
        """Publish the verdict. Raises: BrokerUnavailable; MessageTooLarge for a verdict larger than its topic takes."""
        topic = self._settings.verdict_topic

        def build_message(limit_bytes: int) -> OutgoingMessage:
            message = build_verdict_message(event, record, traceparent=traceparent, limit_bytes=limit_bytes)
            if not message.fits(limit_bytes):
                raise MessageTooLarge(
                    f"a verdict of {message.size_bytes} bytes is larger, compressed too, than the {limit_bytes} bytes "
                    f"that topic {topic} takes: raise its max.message.bytes"
                )
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
        """Publish the record with the error as a dead letter, if need be without its value.

        Raises: BrokerUnavailable; MessageTooLarge if the topic does not even take a letter without key and value.
        """

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

        topic = self._settings.dead_letter_topic
        try:
            await self._delivery.deliver(topic, record, build_message, acknowledged=acknowledged)
        except MessageTooLarge:  # the topic takes less than its settings say, or we may not read those
            await self._delivery.deliver(topic, record, lambda _limit: build_message(0), acknowledged=acknowledged)
