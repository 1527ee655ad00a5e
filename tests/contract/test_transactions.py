"""What exactly-once may expect of transactions, of the fake and of real Kafka alike."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.support.fakes_kafka import DEAD_LETTER_TOPIC, VERDICT_TOPIC, FakeBroker, FakeSource
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.settings import KafkaSettings
from worker.kafka.exactly_once import Transactions
from worker.kafka.outgoing import OutgoingMessage
from worker.kafka.poll_result import Membership
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions

PATIENCE_S = 60


class FakeGround:
    verdict_topic, dead_letter_topic = VERDICT_TOPIC, DEAD_LETTER_TOPIC

    def __init__(self) -> None:
        self._broker = FakeBroker(partitions=2)
        self._sources: list[FakeSource] = []
        self.transactions: Transactions = self._broker.transactions()

    async def member(self) -> FakeSource:
        self._sources.append(self._broker.source())
        await self._sources[-1].start()
        return self._sources[-1]

    def visible(self) -> list[bytes | None]:
        return [message.value for message in (*self._broker.verdicts, *self._broker.dead_letters)]

    async def close(self) -> None:
        return


class RealGround:
    def __init__(self, kafka: KafkaForTests) -> None:
        self._kafka = kafka
        self._settings = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=f"group-{uuid4().hex[:8]}",
            input_topic=kafka.topic("source", partitions=2),
            verdict_topic=kafka.topic("verdicts"),
            dead_letter_topic=kafka.topic("letters"),
        )
        self._sources: list[KafkaSource] = []
        self.verdict_topic = self._settings.verdict_topic
        self.dead_letter_topic = self._settings.dead_letter_topic
        self.transactions: Transactions = KafkaTransactions(self._settings)

    async def member(self) -> KafkaSource:
        self._sources.append(KafkaSource(self._settings))
        await self._sources[-1].start()
        return self._sources[-1]

    def visible(self) -> list[bytes | None]:
        """What a commit that has been answered holds comes into sight some moments after, topic by topic."""
        topics = (self.verdict_topic, self.dead_letter_topic)
        return [record.value for topic in topics for record in self._kafka.records(topic)]

    async def close(self) -> None:
        await self.transactions.close()
        for source in self._sources:
            await source.close()


Ground = FakeGround | RealGround
Member = FakeSource | KafkaSource


@pytest.fixture(params=["fake", "kafka"])
async def ground(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    """Where the broker is there, how long it takes is the machine's affair; its first transaction makes a topic."""
    monkeypatch.setattr("worker.kafka.transactions.STEP_TIMEOUT_S", 2 * PATIENCE_S)
    monkeypatch.setattr("worker.kafka.transactions.BLOCK_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr("worker.kafka.consumer.ASK_TIMEOUT_S", PATIENCE_S)
    ground: Ground = FakeGround() if request.param == "fake" else RealGround(request.getfixturevalue("kafka"))
    yield ground
    await ground.close()


async def joined(*members: Member) -> Membership:
    """The first one's membership, once all of them have a share of the partitions."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            turns = [
                await member.poll(max_records=10, paused=frozenset(), committable={}, timeout_s=0.1)
                for member in members
            ]
            if all(turn.assignment for turn in turns) and turns[0].membership is not None:
                return turns[0].membership


def message(text: bytes) -> OutgoingMessage:
    return OutgoingMessage(b"key", text, ())


async def test_messages_of_both_topics_and_offsets_are_committed_together(ground: Ground) -> None:
    member = await ground.member()
    membership = await joined(member)
    await ground.transactions.renew()
    messages = [(ground.verdict_topic, message(b"a")), (ground.dead_letter_topic, message(b"b"))]
    assert await ground.transactions.commit(messages, {0: 3, 1: 5}, membership)
    assert eventually(lambda: ground.escape_unprintable() == [b"a", b"b"])
    assert await member.fetch_committed(frozenset({0, 1})) == {0: 3, 1: 5}


async def test_one_producer_commits_many_times(ground: Ground) -> None:
    member = await ground.member()
    membership = await joined(member)
    await ground.transactions.renew()
    for number in range(1, 4):
        sent = [(ground.verdict_topic, message(b"%d" % number))]
        assert await ground.transactions.commit(sent, {0: number}, membership)
    assert eventually(lambda: ground.escape_unprintable() == [b"1", b"2", b"3"])
    assert await member.fetch_committed(frozenset({0})) == {0: 3}


async def test_offsets_without_a_message_are_a_transaction_too(ground: Ground) -> None:
    member = await ground.member()
    membership = await joined(member)
    await ground.transactions.renew()
    assert await ground.transactions.commit([], {0: 9}, membership)
    assert await member.fetch_committed(frozenset({0, 1})) == {0: 9}


async def test_a_member_of_an_older_generation_is_fenced_and_can_begin_anew(ground: Ground) -> None:
    member = await ground.member()
    old = await joined(member)
    await ground.transactions.renew()
    other = await ground.member()
    assert await joined(member, other) != old
    sent = [(ground.verdict_topic, message(b"a"))]
    assert not await ground.transactions.commit(sent, {0: 3}, old)
    assert ground.escape_unprintable() == []
    async with asyncio.timeout(PATIENCE_S):  # the group may still be settling, each time with another generation
        committed = False
        while not committed:
            await ground.transactions.renew()
            committed = await ground.transactions.commit(sent, {0: 3}, await joined(member, other))
    assert eventually(lambda: ground.escape_unprintable() == [b"a"])


async def test_limits_of_both_topics_are_known(ground: Ground) -> None:
    await ground.transactions.renew()
    assert set(ground.transactions.limit_bytes) == {ground.verdict_topic, ground.dead_letter_topic}
    assert min(ground.transactions.limit_bytes.values()) > 1_000_000
