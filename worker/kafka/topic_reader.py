"""Readers of topics without a consumer group: commit nothing and skip records of aborted transactions."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from pipeline.errors import BrokerUnavailable, FatalError, TopicMissing
from pipeline.wire.record import RawRecord
from worker.common.sections import KafkaSettings
from worker.kafka.client import build_connection_error, connect, to_ms
from worker.kafka.consumer import build_raw_record
from worker.kafka.workarounds import accept_invalid_header_keys, release_parked_records

POLL_S = 0.25
SILENCE_S = 10.0
"""after this time without a record, check that the broker still answers"""
ASK_TIMEOUT_S = 5.0

BEGINNING = datetime.fromtimestamp(0, UTC)
MAX_CLOCK_SKEW = timedelta(minutes=5)
"""largest difference between the clocks of two machines that write records"""


def open_reading_client(settings: KafkaSettings) -> KafkaConsumer:
    """Connect a consumer without a group. Raises: kafka.errors.KafkaError."""
    accept_invalid_header_keys()
    return connect(
        KafkaConsumer,
        settings,
        allow_auto_create_topics=False,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # also of a place that retention has deleted meanwhile
        isolation_level="read_committed",
    )


class TopicReader:
    """Reads all partitions of some topics from a time on; `since` None is now, BEGINNING is everything stored.

    Raises: FatalError if no broker answers; TopicMissing.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *topics: str,
        since: datetime | None,
        open_client: Callable[[KafkaSettings], KafkaConsumer] = open_reading_client,
    ) -> None:
        self._settings = settings
        self._topics = topics
        try:
            self._client = open_client(settings)
        except kafka_errors.KafkaError as error:
            raise build_connection_error(settings, error) from error
        try:
            self._partitions = self._assign(since)
        except BaseException:
            self._client.close(timeout_ms=0)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close(timeout_ms=to_ms(1))

    def read_stored(self) -> Iterator[RawRecord]:
        """Yield the records from the reader's position to the end of the topics at the time of the call.

        Raises: FatalError if the broker goes away meanwhile.
        """
        for batch in self.read_stored_batches():
            yield from batch

    def read_stored_batches(self) -> Iterator[list[RawRecord]]:
        """Yield the same records, those of one poll together; the next call goes on right behind them.

        Raises: FatalError if the broker goes away meanwhile; every record before it was yielded.
        """
        ends = self._read_ends()
        last_record_at = time.monotonic()
        while any(self._read_position(tp) < ends[tp] for tp in self._partitions):
            records = self._poll(POLL_S)
            if records:
                last_record_at = time.monotonic()
            elif time.monotonic() - last_record_at > SILENCE_S:
                ends = self._read_ends()
                last_record_at = time.monotonic()
            stored = [record for record in records if record.offset < ends[_find_partition(record)]]
            for tp in {_find_partition(record) for record in records if record.offset >= ends[_find_partition(record)]}:
                self._client.seek(tp, ends[tp])  # a poll also brings what was written since
            if stored:
                yield stored

    def read_live(self) -> Iterator[RawRecord | None]:
        """Yield records as they arrive, without end; yield None every `POLL_S` so that the caller can do other work."""
        while True:
            yield from self._poll(POLL_S)
            yield None

    def find_cut_partitions(self, topic: str) -> list[int]:
        """Return the partitions whose earliest records retention has deleted. Raises: FatalError."""
        partitions = [tp for tp in self._partitions if tp.topic == topic]
        try:
            beginnings = self._client.beginning_offsets(partitions, timeout_ms=to_ms(ASK_TIMEOUT_S))
        except kafka_errors.KafkaError as error:
            raise build_connection_error(self._settings, error) from error
        return [tp.partition for tp, offset in beginnings.items() if offset > 0]

    def is_reachable(self) -> bool:
        """Return whether the broker answers."""
        try:
            self._client.end_offsets(self._partitions, timeout_ms=to_ms(ASK_TIMEOUT_S))
        except kafka_errors.KafkaError:
            return False
        return True

    def _assign(self, since: datetime | None) -> list[TopicPartition]:
        partitions = [
            TopicPartition(topic, number) for topic in self._topics for number in self._list_partitions(topic)
        ]
        self._client.assign(partitions)
        try:
            self._seek(partitions, since)
        except kafka_errors.KafkaError as error:
            raise build_connection_error(self._settings, error) from error
        return partitions

    def _list_partitions(self, topic: str) -> list[int]:
        try:
            numbers = self._client.partitions_for_topic(topic)
        except kafka_errors.KafkaError as error:
            raise build_connection_error(self._settings, error) from error
        if not numbers:
            raise TopicMissing(
                f"topic {topic} does not exist at {self._settings.bootstrap_servers}, or may not be read by us"
            )
        return sorted(numbers)

    def _seek(self, partitions: list[TopicPartition], since: datetime | None) -> None:
        ends = self._client.end_offsets(partitions, timeout_ms=to_ms(ASK_TIMEOUT_S))
        if since is None:
            starts = ends
        elif since <= BEGINNING:
            starts = self._client.beginning_offsets(partitions, timeout_ms=to_ms(ASK_TIMEOUT_S))
        else:
            times_ms = dict.fromkeys(partitions, to_ms(since.timestamp()))
            found = self._client.offsets_for_times(times_ms, timeout_ms=to_ms(ASK_TIMEOUT_S))
            starts = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}
        for tp, offset in starts.items():
            self._client.seek(tp, offset)

    def _read_ends(self) -> dict[TopicPartition, int]:
        try:
            ends: dict[TopicPartition, int] = self._client.end_offsets(
                self._partitions, timeout_ms=to_ms(ASK_TIMEOUT_S)
            )
        except kafka_errors.KafkaError as error:
            raise build_connection_error(self._settings, error) from error
        return ends

    def _read_position(self, tp: TopicPartition) -> int:
        try:
            return int(self._client.position(tp, timeout_ms=to_ms(ASK_TIMEOUT_S)))
        except kafka_errors.KafkaError as error:
            raise build_connection_error(self._settings, error) from error

    def _poll(self, timeout_s: float) -> list[RawRecord]:
        try:
            batches = self._client.poll(timeout_ms=to_ms(timeout_s))
        except kafka_errors.RetriableError:
            return []
        except kafka_errors.KafkaError as error:
            raise FatalError(
                f"{' and '.join(self._topics)} cannot be read on: {type(error).__name__}: {error}"
            ) from error
        records = [build_raw_record(record) for batch in batches.values() for record in batch]
        return sorted(records, key=lambda record: record.timestamp_ms)


class RecordReader:
    """Reads single records of a topic by their place, one after the other; connects with the first one."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._client: KafkaConsumer | None = None

    def read(self, partition: int, offset: int) -> RawRecord | None:
        """Read a record; return None if retention has deleted it. Raises: BrokerUnavailable, BadSettings."""
        place = TopicPartition(self._topic, partition)
        try:
            if self._client is None:
                self._client = open_reading_client(self._settings)
            self._client.assign([place])
            self._client.seek(place, offset)
            deadline = time.monotonic() + SILENCE_S
            while time.monotonic() < deadline:
                release_parked_records(self._client)
                for record in self._client.poll(timeout_ms=to_ms(POLL_S), max_records=1).get(place, ()):
                    return build_raw_record(record) if record.offset == offset else None
        except kafka_errors.KafkaError as error:
            self.close()
            raise BrokerUnavailable(f"a record of {self._topic} cannot be read: {error}") from error
        raise BrokerUnavailable(f"topic {self._topic} brings no record within {SILENCE_S:g} s")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout_ms=to_ms(1))


def _find_partition(record: RawRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
