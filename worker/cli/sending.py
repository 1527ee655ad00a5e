"""Sending many records at a pace, and knowing how many the broker has."""

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
from worker.common.settings import KafkaSettings
from worker.kafka.client import connect, ms, unreachable
from worker.kafka.workarounds import close_producer

MAX_OPEN = 2000
DELIVERY_TIMEOUT_S = 60.0
BLOCK_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
REQUEST_BYTES = 64 * 1024 * 1024
"""the broker's own limit decides, which we do not know"""

Label = TypeVar("Label")


class Pace:
    """At most `per_s` a second, evenly; a delay is made up for by one second's worth at most. None: no limit."""

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
    """Records out, in order, each with a label of the caller's.

    `take_acknowledged` gives labels back in the order of sending, none before all earlier ones are acknowledged.
    Raises: FatalError when no broker answers.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._open: deque[tuple[FutureRecordMetadata, Label]] = deque()
        self._known: set[str] = set()
        try:
            self._producer: KafkaProducer = connect(
                KafkaProducer,
                settings,
                allow_auto_create_topics=False,
                acks="all",
                enable_idempotence=True,
                compression_type="gzip",
                linger_ms=5,
                delivery_timeout_ms=ms(DELIVERY_TIMEOUT_S),
                max_block_ms=ms(BLOCK_TIMEOUT_S),
                max_request_size=REQUEST_BYTES,
            )
        except kafka_errors.KafkaError as error:
            raise unreachable(settings, error) from error

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
        """Blocks while very many are unacknowledged.

        Raises: TopicMissing, BrokerUnavailable.
        """
        self._must_exist(topic)
        if len(self._open) >= MAX_OPEN:
            self._settled(self._open[0][0])
        try:
            future = self._producer.send(topic, value, key=key, headers=list(headers))
        except kafka_errors.KafkaError as error:
            raise _refused(error) from error
        self._open.append((future, label))

    def take_acknowledged(self) -> list[Label]:
        """Raises: BrokerUnavailable for the first that failed."""
        taken = []
        while self._open and self._open[0][0].is_done:
            self._settled(self._open[0][0])
            taken.append(self._open.popleft()[1])
        return taken

    def finish(self) -> list[Label]:
        """Waits for all that is open.

        Raises: BrokerUnavailable.
        """
        if self._open:
            self._settled(self._open[-1][0])
        return self.take_acknowledged()

    def _must_exist(self, topic: str) -> None:
        if topic in self._known:
            return
        try:
            partitions = self._producer.partitions_for(topic)
        except kafka_errors.KafkaError as error:
            raise self._missing(topic) from error
        if not partitions:
            raise self._missing(topic)
        self._known.add(topic)

    def _missing(self, topic: str) -> TopicMissing:
        return TopicMissing(f"topic {topic} does not exist at {self._settings.bootstrap_servers}: create it")

    def _settled(self, future: FutureRecordMetadata) -> None:
        try:
            future.get(timeout=DELIVERY_TIMEOUT_S + CLOSE_TIMEOUT_S)
        except kafka_errors.KafkaError as error:
            raise _refused(error) from error


def _refused(error: Exception) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not take a record: {type(error).__name__}: {error}"[:500])


def rate(text: str) -> float:
    """A type for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of events a second")
    return value
