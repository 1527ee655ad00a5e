"""Kafka out, at least once: each record acknowledged by all in-sync replicas before the caller goes on.

Invariant: a producer that has failed once is never used again, because the records after a refused one fail with it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from pipeline.errors import BrokerUnavailable, FatalError
from pipeline.wire.record import RawRecord
from worker.common.settings import KafkaSettings
from worker.kafka.client import check_writable, connect, message_limits, ms, not_taken
from worker.kafka.outgoing import Compose
from worker.kafka.workarounds import close_producer

SENDERS = 4
LINGER_S = 0.005
DELIVERY_TIMEOUT_S = 60.0
"""the client rides out a broker's restart by itself, without repeats; only what lasts longer comes back to us"""
BLOCK_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A producer, and what the topics it serves take."""

    producer: KafkaProducer
    limit_bytes: dict[str, int]


class AcknowledgedDelivery:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="kafka-send")
        self._building = threading.Lock()
        self._line: _Line | None = None

    async def deliver(
        self, topic: str, record: RawRecord, compose: Compose, *, acknowledged: Callable[[], None]
    ) -> None:
        """Returns when the brokers have it, whatever `record` it answers.

        Raises: BrokerUnavailable, and what `compose` raises.
        """
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if not settled.done():
                settled.set_exception(error) if error else settled.set_result(None)

        def from_client(error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, error)

        await self._on_pool(lambda: self._send(topic, compose, from_client))
        await settled
        acknowledged()

    async def probe(self) -> None:
        """Whether Kafka would take a verdict now: stands for someone else's when there is none.

        Raises: BrokerUnavailable.
        """
        try:
            await self._on_pool(lambda: check_writable(self._settings, self._settings.verdict_topic))
        except (FatalError, kafka_errors.KafkaError) as error:
            raise BrokerUnavailable(str(error)) from error

    async def close(self) -> None:
        """Waits a little for what is under way."""
        line, self._line = self._line, None
        if line is not None:
            await self._on_pool(lambda: close_producer(line.producer, CLOSE_TIMEOUT_S))
        self._pool.shutdown(wait=False)

    async def _on_pool(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _send(self, topic: str, compose: Compose, settled: Callable[[BaseException | None], None]) -> None:
        line: _Line | None = None
        try:
            line = self._present_line()
            message = compose(line.limit_bytes[topic])
            sent = line.producer.send(topic, message.value, key=message.key, headers=list(message.headers))
        except kafka_errors.KafkaError as error:
            self._retire(line)
            raise not_taken(topic, error) from error
        sent.add_callback(lambda _metadata: settled(None))
        sent.add_errback(lambda error: self._failed(topic, line, error, settled))

    def _failed(
        self, topic: str, line: _Line | None, error: BaseException, settled: Callable[[BaseException | None], None]
    ) -> None:
        """On the client's own thread."""
        self._retire(line)
        settled(not_taken(topic, error))

    def _present_line(self) -> _Line:
        with self._building:
            if self._line is None:
                self._line = self._new_line()
            return self._line

    def _new_line(self) -> _Line:
        limits = message_limits(self._settings, {self._settings.verdict_topic, self._settings.dead_letter_topic})
        producer = connect(
            KafkaProducer,
            self._settings,
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=True,
            compression_type="gzip",  # the one codec that every client reads
            linger_ms=ms(LINGER_S),
            delivery_timeout_ms=ms(DELIVERY_TIMEOUT_S),
            max_block_ms=ms(BLOCK_TIMEOUT_S),
            max_request_size=max(limits.values()),
        )
        return _Line(producer, limits)

    def _retire(self, line: _Line | None) -> None:
        # Without the lock: this may be the client's own thread, while a sender builds the next line.
        if line is None or self._line is not line:
            return
        self._line = None
        closing = threading.Thread(target=close_producer, args=(line.producer, CLOSE_TIMEOUT_S), daemon=True)
        closing.start()
