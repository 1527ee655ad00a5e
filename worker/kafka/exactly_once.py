"""Exactly once: answers wait here until a transaction takes them together with the offsets that they answer.

Stands where the source and the delivery of at-least-once stand, so that loop and handler do not know the difference.

Invariant: nothing is sent outside a transaction, and none is open while anything is judged. What a partition had
waiting goes when the partition goes: its new owner judges those records again, and nobody has seen our answers.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import BrokerUnavailable
from pipeline.wire.record import RawRecord
from worker.kafka.outgoing import Compose, Outgoing
from worker.kafka.poll_result import Membership, Partitions, Turn
from worker.observe import telemetry


class Source(Protocol):
    async def check(self) -> None: ...

    async def start(self) -> None: ...

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> Turn: ...

    async def committed(self, partitions: Partitions) -> dict[int, int]: ...

    async def lag(self) -> dict[int, int]: ...

    async def rebuild(self) -> None: ...

    async def close(self) -> None: ...


class Transactions(Protocol):
    """`limit_bytes`: the largest message that each topic takes, known once `renew` has returned."""

    limit_bytes: Mapping[str, int]

    async def renew(self) -> None:
        """Begins anew; what the last transaction left open is over when this returns, one way or the other."""

    async def commit(
        self, messages: Sequence[tuple[str, Outgoing]], offsets: Mapping[int, int], membership: Membership
    ) -> bool:
        """One transaction, topics with their messages and offsets of the input topic; False: fenced by the group."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    message: Outgoing
    acknowledged: Callable[[], None]


class ExactlyOnce:
    """At most the span of each partition waits, and what is in flight."""

    def __init__(self, source: Source, transactions: Transactions, *, on_outage: Callable[[bool], None]) -> None:
        self._source = source
        self._transactions = transactions
        self._on_outage = on_outage
        self._waiting: dict[int, dict[int, list[_Waiting]]] = defaultdict(lambda: defaultdict(list))
        self._assignment: Partitions = frozenset()
        self._membership: Membership | None = None
        self._settled = False
        self._in_outage = False

    async def check(self) -> None:
        """Raises: what the source's check raises, and BrokerUnavailable where transactions are refused."""
        await self._source.check()
        await self._transactions.renew()

    async def start(self) -> None:
        await self._source.start()

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> Turn:
        """As the source's; a partition that is taken from us is not committed: that would not be a transaction."""
        del committable
        turn = await self._source.poll(max_records=max_records, paused=paused, committable={}, timeout_s=timeout_s)
        for partition in turn.revoked | turn.lost:
            self._waiting.pop(partition, None)
        self._assignment, self._membership = turn.assignment, turn.membership
        return turn

    async def deliver(
        self, topic: str, record: RawRecord, compose: Compose, *, acknowledged: Callable[[], None]
    ) -> None:
        """Raises: what `compose` raises."""
        waiting = _Waiting(topic, compose(self._transactions.limit_bytes[topic]), acknowledged)
        self._waiting[record.partition][record.offset].append(waiting)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """All answers below `offsets`, and these, in one transaction. False: not now, try again after a poll."""
        due = {partition: offset for partition, offset in offsets.items() if partition in self._assignment}
        if not due or self._membership is None:
            return not due
        try:
            if not self._settled:
                await self._settle()
            messages = [(one.topic, one.message) for one in self._below(due)]
            self._settled = await self._transactions.commit(messages, due, self._membership)
        except BrokerUnavailable as error:
            self._settled = False
            self._set_outage(True)
            telemetry.logger().debug(telemetry.TRANSACTION_FAILED, detail=error.detail)
            return False
        self._set_outage(False)
        if self._settled:
            self._forget(due)
        return self._settled

    async def lag(self) -> dict[int, int]:
        return await self._source.lag()

    async def rebuild(self) -> None:
        await self._source.rebuild()

    async def close(self) -> None:
        await self._source.close()
        await self._transactions.close()

    async def _settle(self) -> None:
        """After a transaction of unknown outcome: what lies below the committed offset was sent after all."""
        await self._transactions.renew()
        self._forget(await self._source.committed(self._assignment))
        self._settled = True

    def _set_outage(self, out: bool) -> None:
        if out is not self._in_outage:
            self._in_outage = out
            self._on_outage(out)

    def _below(self, offsets: Mapping[int, int]) -> Iterable[_Waiting]:
        for partition, end in offsets.items():
            for offset in sorted(self._waiting.get(partition, ())):
                if offset < end:
                    yield from self._waiting[partition][offset]

    def _forget(self, offsets: Mapping[int, int]) -> None:
        """They are answered for good."""
        for one in self._below(offsets):
            one.acknowledged()
        for partition, end in offsets.items():
            for offset in [offset for offset in self._waiting.get(partition, ()) if offset < end]:
                del self._waiting[partition][offset]
