"""Sending of many records at a limited rate, with a count of those that the broker has acknowledged."""

import argparse
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.producer.future import FutureRecordMetadata

from pipeline.errors import BrokerUnavailable, TopicMissing
from worker.common.sections import KafkaSettings
from worker.kafka.client import build_connection_error, connect, to_ms
from worker.kafka.workarounds import close_producer

MAX_OPEN = 2000
DELIVERY_TIMEOUT_S = 60.0
BLOCK_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
REQUEST_BYTES = 64 * 1024 * 1024
"""large enough that only the broker's own limit, unknown to us, decides"""

Label = TypeVar("Label")


class RateLimiter:
    """Spreads calls evenly over time, at most `per_s` a second; after a delay it catches up by one second at most.

    `per_s` None is no limit.
    """

    def __init__(
        self,
        per_s: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step_s = 1 / per_s if per_s else 0.0
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def wait(self) -> None:
        now = self._clock()
        self._due = max(self._due, now - 1)
        if self._due > now:
            self._sleep(self._due - now)
        self._due += self._step_s


class Sender(Generic[Label]):
    """Sends records in order, each with a label of the caller.

    `take_acknowledged` returns labels in the order of sending, each after all earlier records are acknowledged.

    Raises: FatalError if no broker answers.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._unacknowledged: deque[tuple[FutureRecordMetadata, Label]] = deque()
        self._known_topics: set[str] = set()
        try:
            self._producer: KafkaProducer = connect(
                KafkaProducer,
                settings,
                allow_auto_create_topics=False,
                acks="all",
                enable_idempotence=True,
                compression_type="gzip",
                linger_ms=5,
                delivery_timeout_ms=to_ms(DELIVERY_TIMEOUT_S),
                max_block_ms=to_ms(BLOCK_TIMEOUT_S),
                max_request_size=REQUEST_BYTES,
            )
        except kafka_errors.KafkaError as error:
            raise build_connection_error(settings, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_producer(self._producer, CLOSE_TIMEOUT_S)

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        label: Label,
    ) -> None:
        """Send a record; block while `MAX_OPEN` records are unacknowledged. Raises: TopicMissing, BrokerUnavailable."""
        self._check_topic(topic)
        if len(self._unacknowledged) >= MAX_OPEN:
            self._await_acknowledgement(self._unacknowledged[0][0])
        try:
            future = self._producer.send(topic, value, key=key, headers=list(headers))
        except kafka_errors.KafkaError as error:
            raise _build_delivery_error(error) from error
        self._unacknowledged.append((future, label))

    def take_acknowledged(self) -> list[Label]:
        """Return the labels of records acknowledged since the last call.

        Raises: BrokerUnavailable for the first record that failed.
        """
        labels = []
        while self._unacknowledged and self._unacknowledged[0][0].is_done:
            self._await_acknowledgement(self._unacknowledged[0][0])
            labels.append(self._unacknowledged.popleft()[1])
        return labels

    def finish(self) -> list[Label]:
        """Wait until all records are acknowledged, and return the remaining labels. Raises: BrokerUnavailable."""
        if self._unacknowledged:
            self._await_acknowledgement(self._unacknowledged[-1][0])
        return self.take_acknowledged()

    def _check_topic(self, topic: str) -> None:
        if topic in self._known_topics:
            return
        try:
            partitions = self._producer.partitions_for(topic)
        except kafka_errors.KafkaError as error:
            raise self._build_missing_error(topic) from error
        if not partitions:
            raise self._build_missing_error(topic)
        self._known_topics.add(topic)

    def _build_missing_error(self, topic: str) -> TopicMissing:
        return TopicMissing(f"topic {topic} does not exist at {self._settings.bootstrap_servers}: create it")

    def _await_acknowledgement(self, future: FutureRecordMetadata) -> None:
        try:
            future.get(timeout=DELIVERY_TIMEOUT_S + CLOSE_TIMEOUT_S)
        except kafka_errors.KafkaError as error:
            raise _build_delivery_error(error) from error


def _build_delivery_error(error: Exception) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not take a record: {type(error).__name__}: {error}"[:500])


def parse_limit(text: str) -> int:
    """Parse a largest number of events; a type for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of events from 1 on")
    return value


def parse_rate(text: str) -> float:
    """Parse a number of events a second; a type for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of events a second")
    return value
