"""One Kafka consumer with what belongs to it: its rebalance listener, its positions, the cures of its client.

Invariant: the listener only posts what happened and sends the last commit; whatever follows from a rebalance is decided
by the loop that reads the next Turn.
"""

from collections import deque
from collections.abc import Callable, Mapping, Set
from typing import Literal

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from pipeline.errors import BrokerUnavailable, FatalError
from pipeline.wire.record import RawRecord
from worker.common.settings import KafkaSettings
from worker.kafka.client import connect, ms
from worker.kafka.poll_result import Membership, Partitions, Turn
from worker.kafka.workarounds import (
    Positions,
    clear_stale_answers,
    drop_broken_batch,
    finish_joining,
    tolerate_odd_header_keys,
    unpark,
)

ASK_TIMEOUT_S = 3.0
"""how long one question or commit may keep the only consumer thread"""
PARTITION_FETCH_BYTES = 64 * 1024
"""20 to 200 events: a larger buffer would be drained whole before the next partition has its turn"""
FETCH_WAIT_S = 0.1
"""a resumed partition waits for the fetch that is under way for the others"""


class Consumer:
    """Every method runs on one thread, the listener on the client's own."""

    def __init__(self, settings: KafkaSettings, *, lost: Partitions = frozenset()) -> None:
        """`lost` are those of a consumer that was left behind. Raises: kafka's own errors."""
        tolerate_odd_header_keys()
        self._settings = settings
        self._posts: deque[tuple[str, Partitions]] = deque([("lost", lost)] if lost else [])
        self._handover: Mapping[int, int] = {}
        self._client = connect(
            KafkaConsumer,
            settings,
            allow_auto_create_topics=False,
            group_id=settings.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            # The default assignors take everything from everyone at each rebalance, and in-flight work with it.
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=ms(settings.session_timeout_s),
            heartbeat_interval_ms=min(1000, ms(settings.session_timeout_s) // 3),
            max_poll_interval_ms=ms(settings.max_poll_interval_s),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=ms(FETCH_WAIT_S),
        )
        self._positions = Positions(self._client)
        self._client.subscribe([settings.input_topic], listener=_Listener(self._moved))

    def poll(self, max_records: int, paused: Partitions, handover: Mapping[int, int], timeout_s: float) -> Turn:
        self._hold_back(paused)
        unpark(self._client)
        self._handover = handover
        try:
            finish_joining(self._client)
            batches = self._client.poll(timeout_ms=ms(timeout_s), max_records=max_records)
        except kafka_errors.RetriableError:
            batches = {}
        except (kafka_errors.KafkaError, RuntimeError) as error:
            drop_broken_batch(self._client)
            raise self._unreadable(error) from error
        finally:
            self._handover = {}  # later it would take the committed offset back
        records = [raw_record(record) for batch in batches.values() for record in batch]
        return self._turn(records)

    def commit(self, offsets: Mapping[int, int]) -> bool:
        # The broker takes any offset of any partition from any member: only what is ours at this moment may go out.
        ours = {p: offset for p, offset in offsets.items() if p in self._assigned()}
        if not ours:
            return True
        try:
            self._client.commit(self._named(ours), timeout_ms=ms(ASK_TIMEOUT_S))
        except kafka_errors.AuthorizationError as error:
            raise FatalError(f"offsets of group {self._settings.group_id} may not be committed: {error}") from error
        except kafka_errors.KafkaError:
            return False
        return True

    def committed(self, partitions: Partitions) -> dict[int, int]:
        clear_stale_answers(self._client)
        topic = self._settings.input_topic
        try:
            found = {
                p: self._client.committed(TopicPartition(topic, p), timeout_ms=ms(ASK_TIMEOUT_S)) for p in partitions
            }
        except kafka_errors.KafkaError as error:
            raise BrokerUnavailable(
                f"Kafka does not tell committed offsets: {type(error).__name__}: {error}"
            ) from error
        return {p: offset for p, offset in found.items() if offset is not None}

    def lag(self) -> dict[int, int]:
        positions = self._positions.known()
        topic = self._settings.input_topic
        try:
            ends = self._client.end_offsets([TopicPartition(topic, p) for p in positions], timeout_ms=ms(ASK_TIMEOUT_S))
        except kafka_errors.KafkaError:
            return {}
        return {tp.partition: max(0, end - positions[tp.partition]) for tp, end in ends.items()}

    def close(self) -> None:
        self._client.close(autocommit=False, timeout_ms=ms(ASK_TIMEOUT_S))

    def _hold_back(self, paused: Partitions) -> None:
        assigned, held = self._client.assignment(), self._client.paused()
        wanted = {tp for tp in assigned if tp.partition in paused}
        self._client.pause(*(wanted - held))
        self._client.resume(*((held & assigned) - wanted))

    def _moved(self, kind: Literal["assigned", "revoked", "lost"], partitions: Set[int]) -> None:
        """On the client's own thread, inside its poll or close."""
        if kind == "assigned":
            clear_stale_answers(self._client)
        handover = {p: offset for p, offset in self._handover.items() if p in partitions}
        if kind == "revoked" and handover:
            self._client.commit_async(self._named(handover))
        self._posts.append((kind, frozenset(partitions)))

    def _turn(self, records: list[RawRecord]) -> Turn:
        # Before the posts are read: a member that was expelled is posted as such before it joins again.
        membership = self._membership()
        moved: dict[str, Partitions] = {"assigned": frozenset(), "revoked": frozenset(), "lost": frozenset()}
        while self._posts:
            kind, partitions = self._posts.popleft()
            moved[kind] |= partitions
        assignment = self._assigned()
        first_read = {record.partition: record.offset for record in reversed(records)}
        return Turn(
            records=[record for record in records if record.partition in assignment],
            assigned=moved["assigned"] & assignment,  # one that came and went in the same turn is only revoked
            revoked=moved["revoked"],
            lost=moved["lost"],
            assignment=assignment,
            positions=self._positions.known(),
            skipped=self._positions.skipped(first_read),
            membership=membership,
        )

    def _membership(self) -> Membership | None:
        joined = self._client.group_metadata()
        # Without a generation the brokers would take a transaction from anyone.
        if joined.generation_id < 0 or not joined.member_id:
            return None
        return Membership(joined.group_id, joined.generation_id, joined.member_id)

    def _assigned(self) -> Partitions:
        return frozenset(tp.partition for tp in self._client.assignment())

    def _named(self, offsets: Mapping[int, int]) -> dict[object, object]:
        topic = self._settings.input_topic
        return {TopicPartition(topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}

    def _unreadable(self, error: Exception) -> FatalError:
        return FatalError(
            f"topic {self._settings.input_topic} cannot be read on by group {self._settings.group_id}: "
            f"{type(error).__name__}: {error}"
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    def __init__(self, moved: Callable[[Literal["assigned", "revoked", "lost"], Set[int]], None]) -> None:
        self._moved = moved

    def on_partitions_assigned(self, assigned: Set[TopicPartition]) -> None:
        self._moved("assigned", {tp.partition for tp in assigned})

    def on_partitions_revoked(self, revoked: Set[TopicPartition]) -> None:
        self._moved("revoked", {tp.partition for tp in revoked})

    def on_partitions_lost(self, lost: Set[TopicPartition]) -> None:
        self._moved("lost", {tp.partition for tp in lost})


def raw_record(record: ConsumerRecord) -> RawRecord:
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
