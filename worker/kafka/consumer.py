"""One Kafka consumer with its rebalance listener, its positions and the workarounds for its client.

Invariant: the listener only notes the rebalance and sends the last commit; the loop that reads the next `PollResult`
decides everything else.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Set
from typing import Literal

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from pipeline.errors import BrokerUnavailable, FatalError
from pipeline.wire.record import RawRecord
from worker.common.sections import KafkaSettings
from worker.kafka.client import connect, to_ms
from worker.kafka.poll_result import GroupOffset, Membership, Partitions, PollResult
from worker.kafka.positions import Positions
from worker.kafka.unpacking import limit_unpacking
from worker.kafka.workarounds import (
    accept_invalid_header_keys,
    clear_stale_responses,
    drop_broken_batch,
    finish_joining,
    release_parked_records,
    report_displacement,
)

ASK_TIMEOUT_S = 3.0
"""longest time for which one request or commit may block the only consumer thread"""
PARTITION_FETCH_BYTES = 64 * 1024
"""20 to 200 events: the client hands out a whole buffer before it goes on with the next partition"""
FETCH_WAIT_S = 0.1
"""longest wait of a resumed partition for the running fetch of the others"""
METADATA_AGE_S = 20.0
"""longest time until added partitions are noticed, instead of the client's five minutes"""


class Consumer:
    """Every method runs on one thread; the listener runs on the client's own."""

    def __init__(self, settings: KafkaSettings, *, lost: Partitions = frozenset()) -> None:
        """Report the partitions `lost` of an abandoned consumer with the next poll. Raises: KafkaError."""
        accept_invalid_header_keys()
        limit_unpacking(settings.max_batch_bytes)
        self._settings = settings
        self._rebalances: deque[tuple[str, Partitions]] = deque([("lost", lost)] if lost else [])
        self._handover: Mapping[int, int] = {}
        self._client = connect(
            KafkaConsumer,
            settings,
            allow_auto_create_topics=False,
            group_id=settings.group_id,
            group_instance_id=settings.group_instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            # The default assignors revoke all partitions at each rebalance, and with them the events in flight.
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=to_ms(settings.session_timeout_s),
            heartbeat_interval_ms=min(1000, to_ms(settings.session_timeout_s) // 3),
            max_poll_interval_ms=to_ms(settings.max_poll_interval_s),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=to_ms(FETCH_WAIT_S),
            metadata_max_age_ms=to_ms(METADATA_AGE_S),
        )
        self._displaced = threading.Event()
        report_displacement(self._client, self._displaced.set)
        self._positions = Positions(self._client)
        self._client.subscribe([settings.input_topic], listener=_Listener(self._note_rebalance))

    def poll(self, max_records: int, paused: Partitions, handover: Mapping[int, int], timeout_s: float) -> PollResult:
        if self._displaced.is_set():
            raise self._build_displaced_error()
        self._apply_pauses(paused)
        release_parked_records(self._client)
        self._handover = handover
        try:
            finish_joining(self._client)
            batches = self._client.poll(timeout_ms=to_ms(timeout_s), max_records=max_records)
        except kafka_errors.RetriableError:
            batches = {}
        except kafka_errors.FencedInstanceIdError as error:
            raise self._build_displaced_error() from error
        except (kafka_errors.KafkaError, RuntimeError) as error:
            raise self._build_read_error(error, drop_broken_batch(self._client)) from error
        finally:
            self._handover = {}  # after this poll it could take the committed offset back
        self._positions.note_epochs(record for batch in batches.values() for record in batch)
        records = [build_raw_record(record) for batch in batches.values() for record in batch]
        return self._build_poll_result(records)

    def commit(self, offsets: Mapping[int, int]) -> bool:
        # The broker does not check ownership: only offsets of partitions that we own now may be sent.
        owned = {p: offset for p, offset in offsets.items() if p in self._read_assignment()}
        if not owned:
            return True
        try:
            self._client.commit(self._build_offsets(owned), timeout_ms=to_ms(ASK_TIMEOUT_S))
        except kafka_errors.AuthorizationError as error:
            raise FatalError(f"offsets of group {self._settings.group_id} may not be committed: {error}") from error
        except kafka_errors.FencedInstanceIdError as error:
            raise self._build_displaced_error() from error
        except kafka_errors.KafkaError:
            return False
        return True

    def find_epoch(self, partition: int, offset: int) -> int:
        return self._positions.find_epoch(partition, offset)

    def fetch_committed(self, partitions: Partitions) -> dict[int, GroupOffset]:
        clear_stale_responses(self._client)
        topic = self._settings.input_topic
        try:
            committed = {
                p: self._client.committed(TopicPartition(topic, p), metadata=True, timeout_ms=to_ms(ASK_TIMEOUT_S))
                for p in partitions
            }
        except kafka_errors.KafkaError as error:
            raise BrokerUnavailable(
                f"Kafka does not tell committed offsets: {type(error).__name__}: {error}"
            ) from error
        return {p: GroupOffset(at.offset, at.metadata or "") for p, at in committed.items() if at is not None}

    def measure_lag(self) -> dict[int, int]:
        positions = self._positions.read_positions()
        topic = self._settings.input_topic
        try:
            ends = self._client.end_offsets(
                [TopicPartition(topic, p) for p in positions], timeout_ms=to_ms(ASK_TIMEOUT_S)
            )
        except kafka_errors.KafkaError:
            return {}
        return {tp.partition: max(0, end - positions[tp.partition]) for tp, end in ends.items()}

    def close(self) -> None:
        self._client.close(autocommit=False, timeout_ms=to_ms(ASK_TIMEOUT_S))

    def _apply_pauses(self, paused: Partitions) -> None:
        assigned, paused_before = self._client.assignment(), self._client.paused()
        paused_now = {tp for tp in assigned if tp.partition in paused}
        self._client.pause(*(paused_now - paused_before))
        self._client.resume(*((paused_before & assigned) - paused_now))

    def _note_rebalance(self, kind: Literal["assigned", "revoked", "lost"], partitions: Set[int]) -> None:
        """Note a rebalance; the client calls this on its own thread during poll or close."""
        if kind == "assigned":
            clear_stale_responses(self._client)
        handover = {p: offset for p, offset in self._handover.items() if p in partitions}
        if kind == "revoked" and handover:
            self._client.commit_async(self._build_offsets(handover))
        self._rebalances.append((kind, frozenset(partitions)))

    def _build_poll_result(self, records: list[RawRecord]) -> PollResult:
        # Read before the rebalances: an expelled member is noted as lost before it joins again.
        membership = self._read_membership()
        changes: dict[str, Partitions] = {"assigned": frozenset(), "revoked": frozenset(), "lost": frozenset()}
        while self._rebalances:
            kind, partitions = self._rebalances.popleft()
            changes[kind] |= partitions
        assignment = self._read_assignment()
        skipped, truncations = self._positions.take_moves({r.partition: r.offset for r in reversed(records)})
        return PollResult(
            records=[record for record in records if record.partition in assignment],
            assigned=changes["assigned"] & assignment,  # without those that were revoked again since the last poll
            revoked=changes["revoked"],
            lost=changes["lost"],
            assignment=assignment,
            positions=self._positions.read_positions(),
            skipped=skipped,
            membership=membership,
            truncations=truncations,
        )

    def _read_membership(self) -> Membership | None:
        joined = self._client.group_metadata()
        # Without a generation the brokers accept a transaction from any member.
        if joined.generation_id < 0 or not joined.member_id:
            return None
        return Membership(joined.group_id, joined.generation_id, joined.member_id)

    def _read_assignment(self) -> Partitions:
        return frozenset(tp.partition for tp in self._client.assignment())

    def _build_offsets(self, offsets: Mapping[int, int]) -> dict[object, object]:
        topic = self._settings.input_topic
        return {
            TopicPartition(topic, p): OffsetAndMetadata(offset, "", self.find_epoch(p, offset))
            for p, offset in offsets.items()
        }

    def _build_displaced_error(self) -> FatalError:
        return FatalError(
            f"another process has joined group {self._settings.group_id} as {self._settings.group_instance_id} and has "
            "our partitions now: ZOOMIN_KAFKA__GROUP_INSTANCE_ID must differ between workers that run at the same time"
        )

    def _build_read_error(self, error: Exception, broken: TopicPartition | None) -> FatalError:
        place = "" if broken is None else f", partition {broken.partition},"
        return FatalError(
            f"topic {self._settings.input_topic}{place} cannot be read on by group {self._settings.group_id}: "
            f"{type(error).__name__}: {error}"
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    def __init__(self, note_rebalance: Callable[[Literal["assigned", "revoked", "lost"], Set[int]], None]) -> None:
        self._note_rebalance = note_rebalance

    def on_partitions_assigned(self, assigned: Set[TopicPartition]) -> None:
        self._note_rebalance("assigned", {tp.partition for tp in assigned})

    def on_partitions_revoked(self, revoked: Set[TopicPartition]) -> None:
        self._note_rebalance("revoked", {tp.partition for tp in revoked})

    def on_partitions_lost(self, lost: Set[TopicPartition]) -> None:
        self._note_rebalance("lost", {tp.partition for tp in lost})


def build_raw_record(record: ConsumerRecord) -> RawRecord:
    """Convert the client's record; -1 is Kafka's own timestamp for "unknown", which the oldest format leaves out."""
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=-1 if record.timestamp is None else record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
