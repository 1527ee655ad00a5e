"""At-least-once delivery to Kafka: all in-sync replicas acknowledge a record before the caller goes on.

Invariant: a producer that has failed once is never used again, because the records after a refused one fail with it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from pipeline.errors import BrokerUnavailable, FatalError, MessageTooLarge
from pipeline.wire.record import RawRecord
from worker.common.sections import KafkaSettings
from worker.kafka.client import build_delivery_error, check_writable, connect, read_message_limits, to_ms
from worker.kafka.outgoing import LARGEST_UNCOMPRESSED_BYTES, MessageBuilder
from worker.kafka.workarounds import close_producer

Result = TypeVar("Result")

SENDERS = 4
LINGER_S = 0.005
DELIVERY_TIMEOUT_S = 60.0
"""the client retries without repeats through a broker's restart; only a longer outage reaches the caller"""
SETTLED_WITHIN_S = DELIVERY_TIMEOUT_S + 10.0
"""a client that has neither delivered nor refused a message by then hangs, and is replaced"""
BLOCK_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class _LimitedProducer:
    """A producer with the largest message that each of its topics takes."""

    client: KafkaProducer
    limit_bytes: dict[str, int]


class AcknowledgedDelivery:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="kafka-send")
        self._building = threading.Lock()
        self._producer: _LimitedProducer | None = None
        self._served: set[str] = set()

    async def deliver(
        self, topic: str, record: RawRecord, build_message: MessageBuilder, *, acknowledged: Callable[[], None]
    ) -> None:
        """Build and send a message, and return when the brokers have acknowledged it.

        Raises: BrokerUnavailable, MessageTooLarge, and what `build_message` raises.
        """
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if not settled.done():
                settled.set_exception(error) if error else settled.set_result(None)

        def settle_from_thread(error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits for the result
                loop.call_soon_threadsafe(settle, error)

        producer = await self._run_on_pool(lambda: self._send(topic, build_message, settle_from_thread))
        try:
            await asyncio.wait_for(settled, SETTLED_WITHIN_S)
        except TimeoutError as error:
            self._retire(producer)
            raise BrokerUnavailable(
                f"the Kafka client neither delivered nor refused a record for {topic} within {SETTLED_WITHIN_S:g} s"
            ) from error
        self._served.add(topic)
        acknowledged()

    async def probe(self) -> None:
        """Check that Kafka could take a verdict now; it stands for another event when there is none.

        A topic that has taken nothing since our start may refuse everything for a reason that no check sees.

        Raises: BrokerUnavailable.
        """
        if self._settings.verdict_topic not in self._served:
            raise BrokerUnavailable(f"topic {self._settings.verdict_topic} has taken nothing from us yet")
        try:
            await self._run_on_pool(lambda: check_writable(self._settings, self._settings.verdict_topic))
        except (FatalError, kafka_errors.KafkaError) as error:
            raise BrokerUnavailable(str(error)) from error

    async def close(self) -> None:
        """Close the producer; wait `CLOSE_TIMEOUT_S` for messages in flight."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._run_on_pool(lambda: close_producer(producer.client, CLOSE_TIMEOUT_S))
        self._pool.shutdown(wait=False)

    async def _run_on_pool(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _send(
        self, topic: str, build_message: MessageBuilder, settled: Callable[[BaseException | None], None]
    ) -> _LimitedProducer:
        producer: _LimitedProducer | None = None
        try:
            producer = self._get_producer()
            message = build_message(producer.limit_bytes[topic])
            sent = producer.client.send(topic, message.value, key=message.key, headers=list(message.headers))
        except MessageTooLarge:
            self._refresh_limits(producer)  # an operator may have raised them
            raise
        except kafka_errors.KafkaError as error:
            self._retire(producer)
            raise build_delivery_error(topic, error) from error
        sent.add_callback(lambda _metadata: settled(None))
        sent.add_errback(lambda error: self._report_failure(topic, producer, error, settled))
        return producer

    def _report_failure(
        self,
        topic: str,
        producer: _LimitedProducer | None,
        error: BaseException,
        settled: Callable[[BaseException | None], None],
    ) -> None:
        """Replace the producer and settle with the error; runs on the client's own thread."""
        self._retire(producer)
        settled(build_delivery_error(topic, error))

    def _get_producer(self) -> _LimitedProducer:
        with self._building:
            if self._producer is None:
                self._producer = self._build_producer()
            return self._producer

    def _build_producer(self) -> _LimitedProducer:
        limits = self._read_limits()
        client = connect(
            KafkaProducer,
            self._settings,
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=True,
            compression_type="gzip",  # the only codec that every client reads
            linger_ms=to_ms(LINGER_S),
            delivery_timeout_ms=to_ms(DELIVERY_TIMEOUT_S),
            max_block_ms=to_ms(BLOCK_TIMEOUT_S),
            max_request_size=LARGEST_UNCOMPRESSED_BYTES,  # before compression; the builders keep to the topics' limits
        )
        return _LimitedProducer(client, limits)

    def _read_limits(self) -> dict[str, int]:
        return read_message_limits(self._settings, {self._settings.verdict_topic, self._settings.dead_letter_topic})

    def _refresh_limits(self, producer: _LimitedProducer | None) -> None:
        with contextlib.suppress(kafka_errors.KafkaError):
            if producer is not None:
                producer.limit_bytes.update(self._read_limits())

    def _retire(self, producer: _LimitedProducer | None) -> None:
        # Without the lock: this may run on the client's own thread while a sender builds the next producer.
        if producer is None or self._producer is not producer:
            return
        self._producer = None
        closing = threading.Thread(target=close_producer, args=(producer.client, CLOSE_TIMEOUT_S), daemon=True)
        closing.start()
