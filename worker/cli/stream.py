"""Reading a topic from outside: no group, nothing committed, what transactions took back left out."""

import argparse
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from pipeline.errors import FatalError, TopicMissing
from pipeline.wire.record import RawRecord
from worker.common.settings import KafkaSettings
from worker.kafka.client import connect, ms, unreachable
from worker.kafka.consumer import raw_record
from worker.kafka.workarounds import tolerate_odd_header_keys

POLL_S = 0.25
SILENCE_S = 10.0
"""without a record for this long, the broker is asked whether it is still there"""
ASK_TIMEOUT_S = 5.0

BEGINNING = datetime.fromtimestamp(0, UTC)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class TopicReader:
    """All partitions of some topics from a time on; `since` None is now, and BEGINNING all that is stored.

    Raises: FatalError when no broker answers; TopicMissing.
    """

    def __init__(self, settings: KafkaSettings, *topics: str, since: datetime | None) -> None:
        tolerate_odd_header_keys()
        self._settings = settings
        self._topics = topics
        try:
            self._client: KafkaConsumer = connect(
                KafkaConsumer,
                settings,
                allow_auto_create_topics=False,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
        except kafka_errors.KafkaError as error:
            raise unreachable(settings, error) from error
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
        self._client.close(timeout_ms=ms(1))

    def stored(self) -> Iterator[RawRecord]:
        """What the topic holds at this moment, from where this reader stands.

        Raises: FatalError when the broker goes away meanwhile.
        """
        ends = self._ends()
        heard_at = time.monotonic()
        while any(self._position(tp) < ends[tp] for tp in self._partitions):
            records = self._poll(POLL_S)
            if records:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                ends = self._ends()
                heard_at = time.monotonic()
            yield from (r for r in records if r.offset < ends[TopicPartition(r.topic, r.partition)])

    def live(self) -> Iterator[RawRecord | None]:
        """Records as they come, without end; None at least every few tenths of a second, so that one can do else."""
        while True:
            yield from self._poll(POLL_S)
            yield None

    def answers(self) -> bool:
        """Whether the broker is there."""
        try:
            self._client.end_offsets(self._partitions, timeout_ms=ms(ASK_TIMEOUT_S))
        except kafka_errors.KafkaError:
            return False
        return True

    def _assign(self, since: datetime | None) -> list[TopicPartition]:
        partitions = [TopicPartition(topic, number) for topic in self._topics for number in self._numbers(topic)]
        self._client.assign(partitions)
        try:
            self._seek(partitions, since)
        except kafka_errors.KafkaError as error:
            raise unreachable(self._settings, error) from error
        return partitions

    def _numbers(self, topic: str) -> list[int]:
        try:
            numbers = self._client.partitions_for_topic(topic)
        except kafka_errors.KafkaError as error:
            raise unreachable(self._settings, error) from error
        if not numbers:
            raise TopicMissing(
                f"topic {topic} does not exist at {self._settings.bootstrap_servers}, or may not be read by us"
            )
        return sorted(numbers)

    def _seek(self, partitions: list[TopicPartition], since: datetime | None) -> None:
        ends = self._client.end_offsets(partitions, timeout_ms=ms(ASK_TIMEOUT_S))
        if since is None:
            starts = ends
        elif since <= BEGINNING:
            starts = self._client.beginning_offsets(partitions, timeout_ms=ms(ASK_TIMEOUT_S))
        else:
            wanted = dict.fromkeys(partitions, ms(since.timestamp()))
            found = self._client.offsets_for_times(wanted, timeout_ms=ms(ASK_TIMEOUT_S))
            starts = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}
        for tp, offset in starts.items():
            self._client.seek(tp, offset)

    def _ends(self) -> dict[TopicPartition, int]:
        try:
            ends: dict[TopicPartition, int] = self._client.end_offsets(self._partitions, timeout_ms=ms(ASK_TIMEOUT_S))
        except kafka_errors.KafkaError as error:
            raise unreachable(self._settings, error) from error
        return ends

    def _position(self, tp: TopicPartition) -> int:
        try:
            return int(self._client.position(tp, timeout_ms=ms(ASK_TIMEOUT_S)))
        except kafka_errors.KafkaError as error:
            raise unreachable(self._settings, error) from error

    def _poll(self, timeout_s: float) -> list[RawRecord]:
        try:
            batches = self._client.poll(timeout_ms=ms(timeout_s))
        except kafka_errors.RetriableError:
            return []
        except kafka_errors.KafkaError as error:
            raise FatalError(
                f"{' and '.join(self._topics)} cannot be read on: {type(error).__name__}: {error}"
            ) from error
        records = [raw_record(record) for batch in batches.values() for record in batch]
        return sorted(records, key=lambda record: record.timestamp_ms)


def quiet_client() -> None:
    """What the client would log on stderr, several lines a second in an outage, our commands say in a sentence."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def moment(text: str, *, now: datetime | None = None) -> datetime:
    """`90s`, `10m`, `2h`, `1d` ago, or an ISO 8601 time (local where it names no zone): a type for argparse."""
    duration = _DURATION.fullmatch(text.strip().lower())
    if duration:
        ago = timedelta(seconds=float(duration[1]) * _UNITS_S[duration[2]])
        return (now or datetime.now(UTC)) - ago
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        problem = f"{text!r} is neither a duration (90s, 10m, 2h, 1d) nor a time (2026-01-31T12:00)"
        raise argparse.ArgumentTypeError(problem) from None
