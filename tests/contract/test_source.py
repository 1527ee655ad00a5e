"""Contract of a source, checked on the fake and on real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Protocol
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.errors import NoError

from pipeline.wire.record import Headers, RawRecord
from tests.support.fakes_kafka import FakeBroker
from tests.support.servers.services import KafkaForTests
from worker.common.sections import KafkaSettings
from worker.kafka.consumer import build_raw_record
from worker.kafka.poll_result import Partitions, PollResult, Truncation
from worker.kafka.source import KafkaSource
from worker.ledger import OffsetLedger, Position

NONE: Partitions = frozenset()
PATIENCE_S = 60


class Source(Protocol):
    async def start(self) -> None: ...

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult: ...

    async def commit(self, offsets: Mapping[int, int]) -> bool: ...

    async def measure_lag(self) -> dict[int, int]: ...

    async def rebuild(self) -> None: ...

    async def close(self) -> None: ...


class Topic(Protocol):
    """A topic of two partitions, with the actions of a test on it."""

    def send(self, *values: bytes | None, partition: int, key: bytes | None = None, headers: Headers = ()) -> None: ...

    def delete_before(self, offset: int, *, partition: int) -> None: ...

    def read_committed(self) -> dict[int, int]: ...

    def commit_elsewhere(self, offset: int, *, partition: int) -> None: ...

    def build_source(self) -> Source: ...


class FakeTopic:
    def __init__(self) -> None:
        self.broker = FakeBroker(partitions=2)
        self.send = self.broker.send
        self.delete_before = self.broker.delete_before
        self.commit_elsewhere = self.broker.commit_elsewhere

    def read_committed(self) -> dict[int, int]:
        return self.broker.committed

    def build_source(self) -> Source:
        return self.broker.build_source()


class RealTopic:
    def __init__(self, kafka: KafkaForTests) -> None:
        self.kafka = kafka
        self.settings = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=f"group-{uuid4().hex[:8]}",
            input_topic=kafka.create_topic("source", partitions=2),
            verdict_topic=kafka.create_topic("verdicts"),
            dead_letter_topic=kafka.create_topic("letters"),
        )

    def send(self, *values: bytes | None, partition: int, key: bytes | None = None, headers: Headers = ()) -> None:
        self.kafka.send(self.settings.input_topic, *values, partition=partition, key=key, headers=headers)  # type: ignore[arg-type]

    def delete_before(self, offset: int, *, partition: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        admin.delete_records({TopicPartition(self.settings.input_topic, partition): offset})
        admin.close()

    def read_committed(self) -> dict[int, int]:
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        group = self.settings.group_id
        offsets = admin.list_group_offsets(group)[group]
        admin.close()
        return {tp.partition: at.offset for tp, at in offsets.items() if at.offset >= 0}

    def commit_elsewhere(self, offset: int, *, partition: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        at = {TopicPartition(self.settings.input_topic, partition): OffsetAndMetadata(offset, "", -1)}
        assert set(admin.alter_group_offsets(self.settings.group_id, at).values()) == {NoError}
        admin.close()

    def build_source(self) -> Source:
        return KafkaSource(self.settings)


@pytest.fixture(params=["fake", "kafka"])
def topic(request: pytest.FixtureRequest) -> Topic:
    return FakeTopic() if request.param == "fake" else RealTopic(request.getfixturevalue("kafka"))


class Reader:
    """A minimal loop: follows the results of polls with a ledger."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.ledger = OffsetLedger()
        self.assignment = NONE
        self.records: list[RawRecord] = []
        self.positions: list[Position] = []
        self.poll_results: list[PollResult] = []

    async def poll(self, *, paused: Partitions = NONE, max_records: int = 100, timeout_s: float = 0.05) -> PollResult:
        poll_result = await self.source.poll(
            max_records=max_records, paused=paused, committable=self.ledger.find_committable(), timeout_s=timeout_s
        )
        for partition in poll_result.revoked | poll_result.lost:
            self.ledger.revoke(partition)
        for partition in poll_result.assigned:
            self.ledger.assign(partition)
        self.positions += [self.ledger.begin(record.partition, record.offset) for record in poll_result.records]
        self.records += poll_result.records
        self.assignment = poll_result.assignment
        self.poll_results.append(poll_result)
        return poll_result

    async def poll_until(
        self, reached: Callable[[], bool], *, others: Iterable["Reader"] = (), paused: Partitions = NONE
    ) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not reached():
                await asyncio.gather(self.poll(paused=paused), *(other.poll() for other in others))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit as the loop does: after a refusal, try again after a poll."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.source.commit(offsets):
                await self.poll()

    async def measure_lag(self) -> dict[int, int]:
        async with asyncio.timeout(PATIENCE_S):
            while not (lag := await self.source.measure_lag()):  # empty: no answer yet
                await self.poll(paused=self.assignment)
        return lag

    async def read(self, count: int) -> None:
        await self.poll_until(lambda: len(self.records) >= count)

    def finish(self, *, partition: int, below: int) -> None:
        for position in self.positions:
            if position.partition == partition and position.offset < below:
                self.ledger.finish(position)

    def list_values(self, partition: int) -> list[bytes | None]:
        return [record.value for record in self.records if record.partition == partition]

    def collect_partitions(self, kind: str) -> Partitions:
        return frozenset().union(*(getattr(poll_result, kind) for poll_result in self.poll_results))


Join = Callable[[], Awaitable[Reader]]


@pytest.fixture
async def join(topic: Topic) -> AsyncIterator[Join]:
    """Start members of the group, and close them at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start_member() -> Reader:
            source = topic.build_source()
            stack.push_async_callback(source.close)
            await source.start()
            return Reader(source)

        yield start_member


@pytest.fixture
async def reader(join: Join) -> Reader:
    return await join()


async def test_reads_all_partitions_from_their_beginning_in_order(topic: Topic, reader: Reader) -> None:
    topic.send(b"a", b"b", b"c", partition=0)
    topic.send(b"d", partition=1)
    await reader.read(4)
    assert reader.list_values(0) == [b"a", b"b", b"c"]
    assert reader.list_values(1) == [b"d"]
    assert reader.assignment == {0, 1}
    assert reader.collect_partitions("assigned") == {0, 1}
    assert reader.collect_partitions("revoked") == reader.collect_partitions("lost") == NONE


async def test_record_comes_as_it_was_sent(topic: Topic, reader: Reader) -> None:
    topic.send(b"\x00\xff", partition=1, key=b"k", headers=(("a", b"1"), ("a", b""), ("ü", b"\xff")))
    topic.send(None, partition=1, key=b"tombstone")
    await reader.read(2)
    first, second = reader.records
    assert (first.partition, first.offset, first.key, first.value) == (1, 0, b"k", b"\x00\xff")
    assert first.headers == (("a", b"1"), ("a", b""), ("ü", b"\xff"))
    assert first.timestamp_ms > 0
    assert (second.offset, second.key, second.value, second.headers) == (1, b"tombstone", None, ())


async def test_hands_out_no_more_than_asked_for(topic: Topic, reader: Reader) -> None:
    topic.send(*[b"x"] * 20, partition=0)
    topic.send(*[b"y"] * 20, partition=1)
    while len(reader.records) < 40:
        assert len((await reader.poll(max_records=3)).records) <= 3
    assert len(reader.records) == 40


async def test_paused_partition_is_silent_while_others_go_on(topic: Topic, reader: Reader) -> None:
    await reader.poll_until(lambda: reader.assignment == {0, 1})
    topic.send(*[b"x"] * 5, partition=0)
    topic.send(*[b"y"] * 5, partition=1)
    await reader.poll_until(lambda: len(reader.list_values(1)) == 5, paused=frozenset({0}))
    for _ in range(5):
        await reader.poll(paused=frozenset({0}))
    assert reader.list_values(0) == []
    await reader.read(10)
    assert reader.list_values(0) == [b"x"] * 5


async def test_pausing_everything_in_the_middle_loses_nothing(topic: Topic, reader: Reader) -> None:
    values = [b"%d" % number for number in range(60)]
    topic.send(*values, partition=0)
    topic.send(*values, partition=1)
    while len(reader.records) < 120:
        await reader.poll(max_records=7)
        await reader.poll(max_records=1, paused=reader.assignment, timeout_s=0)
        await reader.poll(max_records=7, paused=frozenset({len(reader.poll_results) % 2}))
    assert reader.list_values(0) == reader.list_values(1) == values


async def test_next_member_goes_on_behind_what_was_committed(topic: Topic, join: Join) -> None:
    topic.send(*[b"%d" % number for number in range(10)], partition=0)
    first = await join()
    await first.read(10)
    await first.commit({0: 4})
    await first.source.close()
    assert topic.read_committed() == {0: 4}
    second = await join()
    await second.read(6)
    assert second.list_values(0) == [b"4", b"5", b"6", b"7", b"8", b"9"]


async def test_commits_only_what_is_ours(topic: Topic, reader: Reader) -> None:
    topic.send(b"a", partition=0)
    await reader.read(1)
    assert await reader.source.commit({7: 1})
    assert await reader.source.commit({})
    await reader.commit({0: 1, 7: 3})
    assert topic.read_committed() == {0: 1}


async def test_what_was_committable_earlier_never_takes_a_commit_back(topic: Topic, join: Join) -> None:
    topic.send(b"a", b"b", b"c", partition=0)
    reader = await join()
    await reader.read(3)
    reader.finish(partition=0, below=1)
    await reader.poll()  # hands over {0: 1}
    await reader.commit({0: 3})
    await reader.source.close()
    assert topic.read_committed() == {0: 3}


async def test_positions_and_lag_follow_what_was_handed_out(topic: Topic, reader: Reader) -> None:
    topic.send(*[b"x"] * 5, partition=0)
    await reader.poll_until(lambda: reader.assignment == {0, 1})
    await reader.poll_until(lambda: bool(reader.records) and reader.poll_results[-1].positions.keys() == {0, 1})
    await reader.read(5)
    assert reader.poll_results[-1].positions == {0: 5, 1: 0}
    topic.send(b"x", b"y", partition=1)
    assert await reader.measure_lag() == {0: 0, 1: 2}


async def test_joining_member_takes_over_only_what_moves(topic: Topic, join: Join) -> None:
    old = await join()
    topic.send(*[b"%d" % number for number in range(10)], partition=0)
    topic.send(*[b"%d" % number for number in range(10)], partition=1)
    await old.read(20)
    for partition in (0, 1):
        old.finish(partition=partition, below=6)

    new = await join()
    await new.poll_until(lambda: len(new.assignment) == 1, others=[old])
    stayed, moved = old.assignment, new.assignment
    assert len(stayed) == 1
    assert stayed | moved == {0, 1}
    assert old.collect_partitions("revoked") == moved
    assert old.collect_partitions("lost") == NONE

    # What was committable when the partition moved is not read again; what was open is.
    await new.read(4)
    (moved_partition,) = moved
    assert new.list_values(moved_partition) == [b"6", b"7", b"8", b"9"]
    assert topic.read_committed()[moved_partition] == 6

    # The other partition never stopped: none of its records comes again.
    (stayed_partition,) = stayed
    topic.send(b"later", partition=stayed_partition)
    await old.poll_until(lambda: b"later" in old.list_values(stayed_partition), others=[new])
    assert old.list_values(stayed_partition) == [b"%d" % number for number in range(10)] + [b"later"]
    await old.commit({0: 6, 1: 6})


async def test_leaving_member_hands_everything_back(topic: Topic, join: Join) -> None:
    stays, leaves = await join(), await join()
    await stays.poll_until(lambda: len(stays.assignment) == len(leaves.assignment) == 1, others=[leaves])
    await leaves.source.close()
    topic.send(b"a", partition=0)
    topic.send(b"b", partition=1)
    await stays.read(2)
    assert stays.assignment == {0, 1}


async def test_rebuilt_source_says_what_it_lost_and_goes_on(topic: Topic, reader: Reader) -> None:
    topic.send(b"a", b"b", partition=0)
    await reader.read(2)
    await reader.commit({0: 1})
    await reader.source.rebuild()
    reader.poll_results.clear()
    await reader.read(3)
    assert reader.poll_results[0].lost == {0, 1}
    assert reader.collect_partitions("assigned") == {0, 1}
    assert reader.list_values(0) == [b"a", b"b", b"b"]


async def test_deleted_offsets_are_counted_as_skipped(topic: Topic, join: Join) -> None:
    topic.send(*[b"%d" % number for number in range(10)], partition=0)
    first = await join()
    await first.read(10)
    await first.commit({0: 2})
    await first.source.close()
    topic.delete_before(7, partition=0)
    second = await join()
    await second.read(3)
    assert second.list_values(0) == [b"7", b"8", b"9"]
    assert sum(poll_result.skipped for poll_result in second.poll_results) == 5


async def test_offset_beyond_the_end_is_reported_and_nothing_is_left_out(topic: Topic, join: Join) -> None:
    topic.send(*[b"%d" % number for number in range(3)], partition=0)
    topic.commit_elsewhere(50, partition=0)
    reader = await join()
    await reader.read(3)
    assert reader.list_values(0) == [b"0", b"1", b"2"]
    truncations = [truncation for poll_result in reader.poll_results for truncation in poll_result.truncations]
    assert truncations == [Truncation(0, expected=50, resumed_at=0, by_epoch=False)]
    assert sum(poll_result.skipped for poll_result in reader.poll_results) == 0
    reader.finish(partition=0, below=3)
    await reader.commit(reader.ledger.find_committable())
    assert topic.read_committed()[0] == 3


async def test_member_without_partitions_is_a_member(topic: Topic, join: Join) -> None:
    members = [await join() for _ in range(3)]
    await members[0].poll_until(
        lambda: (
            all(member.poll_results and member.poll_results[-1].membership for member in members)
            and sorted(len(member.assignment) for member in members) == [0, 1, 1]
        ),
        others=members[1:],
    )


def test_a_record_of_the_oldest_format_has_no_timestamp() -> None:
    record = SimpleNamespace(topic="t", partition=0, offset=1, timestamp=None, key=None, value=b"{}", headers=[])
    assert build_raw_record(record).timestamp_ms == -1
