"""Positions of a consumer: where each partition is read next, and where its log was not what it was before.

kafka-python compares a position with the log of the leader by its leader epoch. This file gives it the epochs that it
loses itself: that of a committed offset, and that of a position after a fetch without records. All of this uses private
attributes of the pinned 3.0 line, as `workarounds.py` does. No method sends a request.

Invariant: a position moves back only where the leader's log ends before it, and each such move is reported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata, TopicPartition

from worker.kafka.leader_epochs import UNKNOWN_EPOCH, LeaderEpochs
from worker.kafka.poll_result import Truncation


@dataclass(frozen=True, slots=True)
class _Move:
    """A position that the log could not serve; `by_epoch`: the leader said where the log was cut."""

    left_at: int
    by_epoch: bool


class Positions:
    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._subscription = consumer._subscription
        self._coordinator = consumer._coordinator
        self._epochs = LeaderEpochs()
        self._moves: dict[TopicPartition, _Move] = {}
        self._reset, self._seek = self._subscription.request_offset_reset, self._subscription.seek
        self._subscription.request_offset_reset = self._note_reset
        self._subscription.seek = self._note_seek
        self._coordinator.refresh_committed_offsets_if_needed_async = self._refresh_committed

    def read_positions(self) -> dict[int, int]:
        """Return the next offset of each assigned partition whose position is known."""
        return {
            tp.partition: position.offset
            for tp in self._consumer.assignment()
            if (position := self._read_position(tp)) is not None
        }

    def note_epochs(self, records: Iterable[ConsumerRecord]) -> None:
        """Note the leader epochs of a poll: of its records, and of the gaps without records behind them."""
        for record in records:
            self._epochs.note(record.partition, record.offset, record.leader_epoch)
        assigned = dict(self._subscription.assignment)
        self._epochs.keep_only({tp.partition for tp in assigned})
        for tp, state in assigned.items():
            position = state.position
            if position is None:
                continue
            if position.leader_epoch != UNKNOWN_EPOCH:
                self._epochs.note(tp.partition, position.offset - 1, position.leader_epoch)
            elif (epoch := self._epochs.find(tp.partition, position.offset)) != UNKNOWN_EPOCH:
                # A fetch without records has overwritten it. No other thread moves a position without an epoch.
                state.position = position._replace(leader_epoch=epoch)

    def find_epoch(self, partition: int, offset: int) -> int:
        """Return the leader epoch with which an offset is committed: that of the last record before it."""
        return self._epochs.find(partition, offset)

    def take_moves(self, first_read: Mapping[int, int]) -> tuple[int, list[Truncation]]:
        """Return the number of offsets skipped forward, and the truncations, since the last call.

        `first_read` holds the first offset that each partition has read since then.
        """
        skipped, truncations = 0, []
        for tp, move in list(self._moves.items()):
            position = self._read_position(tp)
            if tp in self._subscription.assignment and position is None:
                continue  # the broker has not said yet where the log begins
            del self._moves[tp]
            if position is None:
                continue
            resumed_at = first_read.get(tp.partition, position.offset)
            skipped += max(0, resumed_at - move.left_at)
            if resumed_at < move.left_at:
                truncations.append(Truncation(tp.partition, move.left_at, resumed_at, move.by_epoch))
        return skipped, truncations

    def _note_reset(self, tp: TopicPartition, strategy: int | None = None) -> None:
        """Note a reset to the log's beginning: it has no record at our position, and no epoch says since where."""
        position = self._read_position(tp)
        if position is not None:
            self._moves[tp] = _Move(position.offset, by_epoch=False)
        self._reset(tp, strategy)

    def _note_seek(self, tp: TopicPartition, offset: int | OffsetAndMetadata) -> None:
        """Note a seek to where the leader's log parted from the one we read.

        If no leader was elected since our record was written, nothing can have cut this log: it is a new one, of a
        topic that was deleted and created again, and is read from its beginning.
        """
        position = self._read_position(tp)
        if position is None or not isinstance(offset, OffsetAndMetadata) or offset.offset >= position.offset:
            self._seek(tp, offset)
            return
        leader_epoch = self._consumer._cluster.leader_epoch_for_partition(tp)
        if leader_epoch is not None and leader_epoch > position.leader_epoch:
            self._moves[tp] = _Move(position.offset, by_epoch=True)
            self._seek(tp, offset)
        else:
            self._note_reset(tp)

    async def _refresh_committed(self, timeout_ms: float | None = None) -> bool:
        """Do what the client does for partitions without a position, but keep the epochs of the committed offsets."""
        missing = set(self._subscription.missing_fetch_positions())
        try:
            committed = await self._coordinator.fetch_committed_offsets_async(missing, timeout_ms=timeout_ms)
        except KafkaTimeoutError:
            return False
        for tp, offset in committed.items():
            self._subscription.seek(tp, offset)
        return True

    def _read_position(self, tp: TopicPartition) -> OffsetAndMetadata | None:
        state = self._subscription.assignment.get(tp)
        return None if state is None else state.position
