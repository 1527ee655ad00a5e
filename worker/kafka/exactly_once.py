"""Exactly-once delivery: messages wait here until a transaction sends them together with the offsets they answer.

`ExactlyOnce` takes the place of source and delivery of at-least-once; loop and handler are the same in both modes.

Invariant: nothing is sent outside a transaction, and no transaction is open while events are handled. The pending
messages of a partition are dropped when the partition moves: its new owner handles those records again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import BrokerUnavailable, MessageTooLarge, OutageError
from pipeline.wire.record import RawRecord
from worker.kafka.leader_epochs import NO_EPOCHS
from worker.kafka.outgoing import MessageBuilder, OutgoingMessage
from worker.kafka.poll_result import Membership, Partitions, PollResult
from worker.observe import telemetry


class ConsumerSource(Protocol):
    async def check(self) -> None: ...

    async def start(self) -> None: ...

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult: ...

    async def fetch_committed(self, partitions: Partitions) -> dict[int, int]: ...

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
    ) -> bool:
        """Send messages with their topics and commit offsets of the input topic in one transaction.

        `epochs`: the leader epoch of each offset, where it is known. Returns False if the group has fenced this member.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _PendingMessage:
    topic: str
    content: OutgoingMessage
    acknowledged: Callable[[], None]


class ExactlyOnce:
    """Source and delivery in one; at most `max_span` records of each partition, and those in flight, are pending."""

    def __init__(
        self, source: ConsumerSource, transactions: Transactions, *, on_outage: Callable[[OutageError | None], None]
    ) -> None:
        self._source = source
        self._transactions = transactions
        self._on_outage = on_outage
        self._pending: dict[int, dict[int, list[_PendingMessage]]] = defaultdict(lambda: defaultdict(list))
        self._assignment: Partitions = frozenset()
        self._membership: Membership | None = None
        self._outcome_known = False
        self._in_outage = False
        self._has_committed = False

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
        self._assignment, self._membership = poll_result.assignment, poll_result.membership
        return poll_result

    async def deliver(
        self, topic: str, record: RawRecord, build_message: MessageBuilder, *, acknowledged: Callable[[], None]
    ) -> None:
        """Keep the message until the commit that passes `record`. Raises: what `build_message` raises."""
        try:
            message = build_message(self._transactions.limit_bytes[topic])
        except MessageTooLarge:
            await self._transactions.refresh_limits()
            raise
        self._pending[record.partition][record.offset].append(_PendingMessage(topic, message, acknowledged))

    async def probe(self) -> None:
        """Check that Kafka takes our transactions; it stands for another event when there is none.

        Raises: BrokerUnavailable.
        """
        if self._in_outage or not self._has_committed:
            raise BrokerUnavailable("no transaction has been committed lately")

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Send all messages below `offsets` and commit these in one transaction.

        Returns False if that is not possible now; the caller tries again after a poll.
        """
        due = {partition: offset for partition, offset in offsets.items() if partition in self._assignment}
        if not due or self._membership is None:
            return not due
        try:
            if not self._outcome_known:
                await self._settle_outcome()
            messages = [(message.topic, message.content) for message in self._list_below(due)]
            epochs = self._source.find_epochs(due)
            self._outcome_known = await self._transactions.commit(messages, due, self._membership, epochs)
        except BrokerUnavailable as error:
            self._outcome_known = False
            self._set_outage(error)
            telemetry.get_logger().debug(telemetry.TRANSACTION_FAILED, detail=error.detail)
            return False
        self._set_outage(None)
        if self._outcome_known:
            self._has_committed = True
            self._acknowledge(due)
        return self._outcome_known

    async def measure_lag(self) -> dict[int, int]:
        return await self._source.measure_lag()

    async def rebuild(self) -> None:
        await self._source.rebuild()

    async def close(self) -> None:
        await self._source.close()
        await self._transactions.close()

    async def _settle_outcome(self) -> None:
        """Find the outcome of the last transaction: messages below the committed offset have been sent."""
        await self._transactions.renew()
        self._acknowledge(await self._source.fetch_committed(self._assignment))
        self._outcome_known = True

    def _set_outage(self, refusal: OutageError | None) -> None:
        if (refusal is not None) is not self._in_outage:
            self._in_outage = refusal is not None
            self._on_outage(refusal)

    def _list_below(self, offsets: Mapping[int, int]) -> Iterable[_PendingMessage]:
        for partition, end in offsets.items():
            for offset in sorted(self._pending.get(partition, ())):
                if offset < end:
                    yield from self._pending[partition][offset]

    def _acknowledge(self, offsets: Mapping[int, int]) -> None:
        """Acknowledge and drop the messages below `offsets`."""
        for message in self._list_below(offsets):
            message.acknowledged()
        for partition, end in offsets.items():
            for offset in [offset for offset in self._pending.get(partition, ()) if offset < end]:
                del self._pending[partition][offset]
