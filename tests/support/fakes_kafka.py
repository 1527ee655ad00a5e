"""A broker in memory, with the source, the publisher and the transactions that use it.

It behaves as the contract suites check on real Kafka: order within a partition, gaps, cooperative rebalances between
members, commits that outlive members, retention, outages. Steps that take Kafka time take none here: each is one poll.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.errors import BrokerUnavailable, MessageTooLarge, ZoomInError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import Headers, RawRecord
from worker.kafka.leader_epochs import NO_EPOCHS
from worker.kafka.outgoing import OutgoingMessage, build_dead_letter_message, build_verdict_message
from worker.kafka.poll_result import GroupOffset, Membership, Partitions, PollResult, Truncation

LIMIT_BYTES = 1_048_588
VERDICT_TOPIC = "zoomin.verdicts"
DEAD_LETTER_TOPIC = "zoomin.images.dlt"


class FakeBroker:
    """One topic of images with its group; published messages are in `verdicts` and `dead_letters`.

    `commits` are all commits in their order. While `down`, nothing is read, committed or published.
    """

    def __init__(self, *, topic: str = "zoomin.images", partitions: int = 2) -> None:
        self.topic = topic
        self.log: dict[int, list[RawRecord | None]] = {partition: [] for partition in range(partitions)}
        self.begins_at: dict[int, int] = defaultdict(int)
        self.committed: dict[int, int] = {}
        self.labels: dict[int, str] = {}
        self.commits: list[dict[int, int]] = []
        self.verdicts: list[OutgoingMessage] = []
        self.dead_letters: list[OutgoingMessage] = []
        self.down = False
        self.limit_bytes = LIMIT_BYTES
        self.generation = 0
        self._members: list[FakeSource] = []
        self._owner: dict[int, FakeSource] = {}

    def send(self, *values: bytes | None, partition: int = 0, key: bytes | None = None, headers: Headers = ()) -> None:
        for value in values:
            offset = len(self.log[partition])
            self.log[partition].append(RawRecord(self.topic, partition, offset, 1000 + offset, key, value, headers))

    def leave_gap(self, partition: int) -> None:
        """Add an offset without a record, as transaction markers do."""
        self.log[partition].append(None)

    def delete_before(self, offset: int, *, partition: int) -> None:
        """Delete the records before `offset`, as retention does."""
        self.begins_at[partition] = offset

    def commit_elsewhere(self, offset: int, *, partition: int) -> None:
        """Commit an offset as another program would."""
        self.committed[partition] = offset
        self.labels.pop(partition, None)

    def build_source(self) -> "FakeSource":
        return FakeSource(self)

    def build_publisher(self) -> "FakePublisher":
        return FakePublisher(self)

    def build_transactions(self) -> "FakeTransactions":
        return FakeTransactions(self)

    def evict(self, source: "FakeSource") -> None:
        """Take all partitions from a member that is still running."""
        self.release(source.assignment, source)
        source.lose()
        self.generation += 1

    def join(self, source: "FakeSource") -> None:
        self.generation += 1
        self._members.append(source)

    def leave(self, source: "FakeSource") -> None:
        self.generation += 1
        self._members = [member for member in self._members if member is not source]
        self.release(frozenset(self._owner), source)

    def release(self, partitions: Partitions, source: "FakeSource") -> None:
        for partition in partitions:
            if self._owner.get(partition) is source:
                del self._owner[partition]

    def find_surplus(self, source: "FakeSource") -> Partitions:
        """Return the partitions beyond the member's share, which it must give up."""
        owned = sorted(p for p, owner in self._owner.items() if owner is source)
        return frozenset(owned[self._share(source) :])

    def assign_free(self, source: "FakeSource") -> Partitions:
        owned = sum(owner is source for owner in self._owner.values())
        free = [partition for partition in self.log if partition not in self._owner]
        assigned_now = free[: max(0, self._share(source) - owned)]
        self._owner.update(dict.fromkeys(assigned_now, source))
        return frozenset(assigned_now)

    def _share(self, source: "FakeSource") -> int:
        each, left_over = divmod(len(self.log), len(self._members))
        return each + (self._members.index(source) < left_over)


class FakeSource:
    """A source of the fake broker; the next `refuse_commits` commits return False."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._positions: dict[int, int] = {}
        self._lost: Partitions = frozenset()
        self.refuse_commits = 0
        self.rebuilt = 0

    @property
    def assignment(self) -> Partitions:
        return frozenset(self._positions)

    async def check(self) -> None:
        return

    async def start(self) -> None:
        self._broker.join(self)

    def lose(self) -> None:
        self._lost |= self.assignment
        self._positions.clear()

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult:
        await asyncio.sleep(0)
        lost, self._lost = self._lost, frozenset()
        if self._broker.down:
            return self._build_result([], lost=lost)
        revoked = self._give_up(committable)
        assigned = self._broker.assign_free(self)
        for partition in assigned:
            self._positions[partition] = self._broker.committed.get(partition, self._broker.begins_at[partition])
        truncations = [self._restart(p) for p in self.assignment if self._positions[p] > len(self._broker.log[p])]
        skipped = sum(self._skip_deleted(partition) for partition in self.assignment)
        records: list[RawRecord] = []
        for partition in sorted(self.assignment - paused, key=lambda p: self._count_unread(p), reverse=True):
            records += self._take(partition, max_records - len(records))
        result = self._build_result(records, assigned=assigned, revoked=revoked, lost=lost)
        return replace(result, skipped=skipped, truncations=truncations)

    def _build_result(
        self,
        records: list[RawRecord],
        *,
        assigned: Partitions = frozenset(),
        revoked: Partitions = frozenset(),
        lost: Partitions = frozenset(),
    ) -> PollResult:
        membership = None if lost else Membership("zoomin", self._broker.generation, f"member-{id(self)}")
        positions = dict(self._positions)
        return PollResult(records, assigned, revoked, lost, self.assignment, positions, membership=membership)

    async def fetch_committed(self, partitions: Partitions) -> dict[int, GroupOffset]:
        await asyncio.sleep(0)
        if self._broker.down:
            raise BrokerUnavailable("the broker is down")
        labels = self._broker.labels
        return {
            p: GroupOffset(offset, labels.get(p, "")) for p, offset in self._broker.committed.items() if p in partitions
        }

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        await asyncio.sleep(0)
        if self._broker.down or self.refuse_commits:
            self.refuse_commits = max(0, self.refuse_commits - 1)
            return False
        self._commit({p: offset for p, offset in offsets.items() if p in self._positions})
        return True

    def find_epochs(self, offsets: Mapping[int, int]) -> Mapping[int, int]:
        del offsets  # this broker knows no leader epochs
        return NO_EPOCHS

    async def measure_lag(self) -> dict[int, int]:
        return {} if self._broker.down else {partition: self._count_unread(partition) for partition in self.assignment}

    async def rebuild(self) -> None:
        self.rebuilt += 1
        self.lose()
        self._broker.release(frozenset(self._broker.log), self)

    async def close(self) -> None:
        self._broker.leave(self)
        self._positions.clear()

    def _give_up(self, committable: Mapping[int, int]) -> Partitions:
        revoked = self._broker.find_surplus(self)
        self._commit({p: committable[p] for p in revoked if p in committable})
        for partition in revoked:
            del self._positions[partition]
        self._broker.release(revoked, self)
        return revoked

    def _commit(self, offsets: dict[int, int]) -> None:
        if offsets:
            self._broker.committed.update(offsets)
            self._broker.commits.append(offsets)

    def _restart(self, partition: int) -> Truncation:
        """Go back to the log's beginning: it has no record at our position, and this broker knows no leader epochs."""
        expected, self._positions[partition] = self._positions[partition], self._broker.begins_at[partition]
        return Truncation(partition, expected, self._positions[partition], by_epoch=False)

    def _skip_deleted(self, partition: int) -> int:
        skipped = max(0, self._broker.begins_at[partition] - self._positions[partition])
        self._positions[partition] += skipped
        return skipped

    def _count_unread(self, partition: int) -> int:
        return len(self._broker.log[partition]) - self._positions[partition]

    def _take(self, partition: int, limit: int) -> list[RawRecord]:
        records: list[RawRecord] = []
        log = self._broker.log[partition]
        while len(records) < limit and self._positions[partition] < len(log):
            record = log[self._positions[partition]]
            self._positions[partition] += 1
            records += [record] if record else []
        return records


class FakePublisher:
    """A publisher of the fake broker; `errors` are raised one by one, before a message is published."""

    def __init__(self, broker: FakeBroker, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._broker = broker
        self._limit_bytes = limit_bytes
        self.errors: list[ZoomInError] = []

    async def publish_verdict(
        self,
        event: VerdictEvent,
        record: RawRecord,
        *,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        await self._refuse()
        message = build_verdict_message(event, record, traceparent=traceparent, limit_bytes=self._limit_bytes)
        if not message.fits(self._limit_bytes):
            raise MessageTooLarge(f"{message.size_bytes} bytes are more than the topic takes")
        self._broker.verdicts.append(message)
        acknowledged()

    async def publish_dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        await self._refuse()
        message = build_dead_letter_message(
            record,
            error,
            event_id=event_id,
            traceparent=traceparent,
            worker="fake",
            failed_at=datetime(2026, 1, 1, tzinfo=UTC),
            limit_bytes=self._limit_bytes,
        )
        self._broker.dead_letters.append(message)
        acknowledged()

    async def probe(self) -> None:
        if self._broker.down or not self._broker.verdicts:
            raise BrokerUnavailable("the broker is down or has taken no verdict yet")

    async def close(self) -> None:
        return

    async def _refuse(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        if self._broker.down:
            raise BrokerUnavailable("the broker is down")


class FakeTransactions:
    """Transactions of the fake broker; `errors` are raised before a commit, `late_errors` after it."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._usable = False
        self.limit_bytes: Mapping[str, int] = {}
        self.errors: list[ZoomInError] = []
        self.late_errors: list[ZoomInError] = []

    async def renew(self) -> None:
        await asyncio.sleep(0)
        if self._broker.down:
            raise BrokerUnavailable("the broker is down")
        await self.refresh_limits()
        self._usable = True

    async def refresh_limits(self) -> None:
        await asyncio.sleep(0)
        self.limit_bytes = dict.fromkeys((VERDICT_TOPIC, DEAD_LETTER_TOPIC), self._broker.limit_bytes)

    async def commit(
        self,
        messages: Sequence[tuple[str, OutgoingMessage]],
        offsets: Mapping[int, int],
        membership: Membership,
        epochs: Mapping[int, int] = NO_EPOCHS,
        label: str = "",
    ) -> bool:
        del epochs
        await asyncio.sleep(0)
        assert self._usable, "after a failure a new producer comes first"
        self._usable = False
        if self.errors:
            raise self.errors.pop(0)
        if self._broker.down:
            raise BrokerUnavailable("the broker is down")
        if membership.generation != self._broker.generation:
            return False
        for topic, message in messages:
            (self._broker.verdicts if topic == VERDICT_TOPIC else self._broker.dead_letters).append(message)
        self._broker.committed.update(offsets)
        self._broker.labels.update(dict.fromkeys(offsets, label))
        self._broker.commits.append(dict(offsets))
        if self.late_errors:
            raise self.late_errors.pop(0)
        self._usable = True
        return True

    async def close(self) -> None:
        return
