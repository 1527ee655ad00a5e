"""Exactly-once delivery: messages wait here until a transaction sends them together with the offsets they answer.

`ExactlyOnce` takes the place of source and delivery of at-least-once; loop and handler are the same in both modes.

Invariant: nothing is sent outside a transaction, and no transaction is open while events are handled. The pending
messages of a partition are dropped when the partition moves: its new owner handles those records again.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from pipeline.errors import BrokerUnavailable, MessageTooLarge, OutageError
from pipeline.wire.record import RawRecord
from worker.kafka.leader_epochs import NO_EPOCHS
from worker.kafka.outgoing import MessageBuilder, OutgoingMessage
from worker.kafka.poll_result import GroupOffset, Membership, Partitions, PollResult
from worker.observe import telemetry

TRANSACTION_BYTES = 32 * 1024 * 1024
"""of messages, before compression; more would not reach the brokers within the deadline of a transaction's step"""


class ConsumerSource(Protocol):
    async def check(self) -> None: ...

    async def start(self) -> None: ...

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult: ...

    async def fetch_committed(self, partitions: Partitions) -> dict[int, GroupOffset]: ...

    def find_epochs(self, offsets: Mapping[int, int]) -> Mapping[int, int]: ...

    async def measure_lag(self) -> dict[int, int]: ...

    async def rebuild(self) -> None: ...

    async def close(self) -> None: ...


class Transactions(Protocol):
    """`limit_bytes`: the largest message that each topic takes, known once `renew` has returned."""

    limit_bytes: Mapping[str, int]

    async def renew(self) -> None:
        """Start a new producer; an unfinished transaction is committed or aborted when this returns."""

    async def refresh_limits(self) -> None:
        """Read `limit_bytes` again."""

    async def commit(
        self,
        messages: Sequence[tuple[str, OutgoingMessage]],
        offsets: Mapping[int, int],
        membership: Membership,
        epochs: Mapping[int, int] = NO_EPOCHS,
        label: str = "",
    ) -> bool:
        """Send messages with their topics and commit offsets of the input topic in one transaction.

        `epochs`: the leader epoch of each offset, where it is known. `label` is committed with each offset. Returns
        False if the group has fenced this member.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _PendingMessage:
    partition: int
    offset: int
    topic: str
    content: OutgoingMessage
    size_bytes: int
    acknowledged: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A transaction that is tried: the offsets that it commits, and the messages that it sends.

    Invariant: no other attempt, of any worker, has its `label`.
    """

    label: str = field(default_factory=lambda: secrets.token_hex(8))
    offsets: dict[int, int] = field(default_factory=dict)
    messages: list[_PendingMessage] = field(default_factory=list)


class ExactlyOnce:
    """Source and delivery in one; at most `max_span` records of each partition, and those in flight, are pending."""

    def __init__(
        self,
        source: ConsumerSource,
        transactions: Transactions,
        *,
        verdict_topic: str,
        on_outage: Callable[[OutageError | None], None],
    ) -> None:
        self._source = source
        self._transactions = transactions
        self._verdict_topic = verdict_topic
        self._on_outage = on_outage
        self._pending: dict[int, list[_PendingMessage]] = defaultdict(list)
        self._unsettled = _Attempt()
        self._assignment: Partitions = frozenset()
        self._membership: Membership | None = None
        self._outcome_known = False
        self._in_outage = False
        self._served: set[str] = set()

    async def check(self) -> None:
        """Check the source, and start the first producer.

        Raises: what the source's check raises; BrokerUnavailable if transactions are refused.
        """
        await self._source.check()
        await self._transactions.renew()

    async def start(self) -> None:
        await self._source.start()

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult:
        """Poll the source, without a commit for revoked partitions: it would not be part of a transaction."""
        del committable
        poll_result = await self._source.poll(
            max_records=max_records, paused=paused, committable={}, timeout_s=timeout_s
        )
        for partition in poll_result.revoked | poll_result.lost:
            self._pending.pop(partition, None)
            self._unsettled.offsets.pop(partition, None)
        self._assignment, self._membership = poll_result.assignment, poll_result.membership
        return poll_result

    async def deliver(
        self, topic: str, record: RawRecord, build_message: MessageBuilder, *, acknowledged: Callable[[], None]
    ) -> None:
        """Keep the message until the commit that passes `record`; a dead letter maybe without key and value.

        Raises: what `build_message` raises.
        """
        try:
            message = build_message(self._transactions.limit_bytes[topic])
        except MessageTooLarge:
            await self._transactions.refresh_limits()
            raise
        if topic != self._verdict_topic and self._count_bytes(record) + message.size_bytes > TRANSACTION_BYTES:
            message = build_message(0)  # all answers of a record are in one transaction
        pending = _PendingMessage(record.partition, record.offset, topic, message, message.size_bytes, acknowledged)
        self._pending[record.partition].append(pending)

    async def probe(self) -> None:
        """Check that Kafka takes our verdicts; it stands for another event when there is none.

        A topic that has taken nothing since our start may refuse everything for a reason that no check sees.

        Raises: BrokerUnavailable.
        """
        if self._in_outage:
            raise BrokerUnavailable("no transaction has been committed lately")
        if self._verdict_topic not in self._served:
            raise BrokerUnavailable(f"topic {self._verdict_topic} has taken nothing from us yet")

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Send all messages below `offsets` and commit these, in as few transactions of bounded size as there can be.

        Returns False if that is not possible now; the caller tries again after a poll.
        """
        due = {partition: offset for partition, offset in offsets.items() if partition in self._assignment}
        if not due or self._membership is None:
            return not due
        try:
            if not self._outcome_known:
                await self._settle_outcome()
            for attempt in self._split_into_attempts(due):
                self._outcome_known = await self._try(attempt, self._membership)
                if not self._outcome_known:
                    break
        except BrokerUnavailable as error:
            self._outcome_known = False
            self._set_outage(error)
            telemetry.get_logger().debug(telemetry.TRANSACTION_FAILED, detail=error.detail)
            return False
        self._set_outage(None)
        return self._outcome_known

    async def measure_lag(self) -> dict[int, int]:
        return await self._source.measure_lag()

    async def rebuild(self) -> None:
        self._membership = None  # until the next poll no consumer knows the outcome of an attempt
        await self._source.rebuild()

    async def close(self) -> None:
        await self._source.close()
        await self._transactions.close()

    async def _try(self, attempt: _Attempt, membership: Membership) -> bool:
        """Run one transaction. Returns False if the group has fenced us."""
        messages = [(message.topic, message.content) for message in attempt.messages]
        epochs = self._source.find_epochs(attempt.offsets)
        self._unsettled = attempt
        committed = await self._transactions.commit(messages, attempt.offsets, membership, epochs, attempt.label)
        self._unsettled = _Attempt()
        if committed:
            self._acknowledge(attempt.messages)
        return committed

    async def _settle_outcome(self) -> None:
        """Find the outcome of the transaction that failed last: it was committed where the group has its label.

        The offset says nothing about our messages: after a cut, an earlier commit may have the same one.
        """
        await self._transactions.renew()
        unsettled = self._unsettled
        if unsettled.offsets:
            committed = await self._source.fetch_committed(self._assignment & unsettled.offsets.keys())
            sent = {partition for partition, at in committed.items() if at.label == unsettled.label}
            self._acknowledge([message for message in unsettled.messages if message.partition in sent])
        self._unsettled = _Attempt()
        self._outcome_known = True

    def _set_outage(self, refusal: OutageError | None) -> None:
        if (refusal is not None) is not self._in_outage:
            self._in_outage = refusal is not None
            self._on_outage(refusal)

    def _count_bytes(self, record: RawRecord) -> int:
        """Count the bytes of the answers to `record` that are pending."""
        return sum(m.size_bytes for m in self._pending[record.partition] if m.offset == record.offset)

    def _split_into_attempts(self, due: Mapping[int, int]) -> Iterator[_Attempt]:
        """Yield transactions of at most `TRANSACTION_BYTES`, or with the messages of a single record."""
        attempt, size_bytes = _Attempt(), 0
        for partition, end in due.items():
            below = sorted((m for m in self._pending[partition] if m.offset < end), key=lambda m: m.offset)
            for offset, answers in groupby(below, key=lambda message: message.offset):
                messages = list(answers)
                added_bytes = sum(message.size_bytes for message in messages)
                if attempt.messages and size_bytes + added_bytes > TRANSACTION_BYTES:
                    attempt.offsets[partition] = offset
                    yield attempt
                    attempt, size_bytes = _Attempt(), 0
                attempt.messages.extend(messages)
                size_bytes += added_bytes
            attempt.offsets[partition] = end
        yield attempt

    def _acknowledge(self, messages: Collection[_PendingMessage]) -> None:
        """Acknowledge and drop messages that were sent."""
        sent = set(messages)
        for message in messages:
            self._served.add(message.topic)
            message.acknowledged()
        for partition in {message.partition for message in messages}:
            self._pending[partition] = [message for message in self._pending[partition] if message not in sent]
