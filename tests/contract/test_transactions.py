"""Contract of transactions, checked on the fake and on real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.support.fakes_kafka import DEAD_LETTER_TOPIC, VERDICT_TOPIC, FakeBroker, FakeSource
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.sections import KafkaSettings
from worker.kafka.exactly_once import Transactions
from worker.kafka.outgoing import OutgoingMessage
from worker.kafka.poll_result import Membership
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions

PATIENCE_S = 60


class FakeCluster:
    verdict_topic, dead_letter_topic = VERDICT_TOPIC, DEAD_LETTER_TOPIC

    def __init__(self) -> None:
        self._broker = FakeBroker(partitions=2)
        self._sources: list[FakeSource] = []
        self.transactions: Transactions = self._broker.build_transactions()

    async def start_member(self) -> FakeSource:
        self._sources.append(self._broker.build_source())
        await self._sources[-1].start()
        return self._sources[-1]

    def read_visible(self) -> list[bytes | None]:
        return [message.value for message in (*self._broker.verdicts, *self._broker.dead_letters)]

    async def close(self) -> None:
        return


class RealCluster:
    def __init__(self, kafka: KafkaForTests) -> None:
        self._kafka = kafka
        self._settings = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=f"group-{uuid4().hex[:8]}",
            input_topic=kafka.create_topic("source", partitions=2),
            verdict_topic=kafka.create_topic("verdicts"),
            dead_letter_topic=kafka.create_topic("letters"),
        )
        self._sources: list[KafkaSource] = []
        self.verdict_topic = self._settings.verdict_topic
        self.dead_letter_topic = self._settings.dead_letter_topic
        self.transactions: Transactions = KafkaTransactions(self._settings)

    async def start_member(self) -> KafkaSource:
        self._sources.append(KafkaSource(self._settings))
        await self._sources[-1].start()
        return self._sources[-1]

    def read_visible(self) -> list[bytes | None]:
        """Read the committed values of both topics; they become visible shortly after the commit returns."""
        topics = (self.verdict_topic, self.dead_letter_topic)
        return [record.value for topic in topics for record in self._kafka.read_records(topic)]

    async def close(self) -> None:
        await self.transactions.close()
        for source in self._sources:
            await source.close()


Cluster = FakeCluster | RealCluster
Member = FakeSource | KafkaSource


@pytest.fixture(params=["fake", "kafka"])
async def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Build a cluster with long timeouts: its first transaction creates a topic, which is slow on a busy machine."""
    monkeypatch.setattr("worker.kafka.transactions.STEP_TIMEOUT_S", 2 * PATIENCE_S)
    monkeypatch.setattr("worker.kafka.transactions.BLOCK_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr("worker.kafka.consumer.ASK_TIMEOUT_S", PATIENCE_S)
    cluster: Cluster = FakeCluster() if request.param == "fake" else RealCluster(request.getfixturevalue("kafka"))
    yield cluster
    await cluster.close()


async def await_membership(*members: Member) -> Membership:
    """Poll until all members have partitions, and return the membership of the first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            poll_results = [
                await member.poll(max_records=10, paused=frozenset(), committable={}, timeout_s=0.1)
                for member in members
            ]
            if all(poll_result.assignment for poll_result in poll_results) and poll_results[0].membership is not None:
                return poll_results[0].membership


def build_message(text: bytes) -> OutgoingMessage:
    return OutgoingMessage(b"key", text, ())


async def test_messages_of_both_topics_and_offsets_are_committed_together(cluster: Cluster) -> None:
    member = await cluster.start_member()
    membership = await await_membership(member)
    await cluster.transactions.renew()
    messages = [(cluster.verdict_topic, build_message(b"a")), (cluster.dead_letter_topic, build_message(b"b"))]
    assert await cluster.transactions.commit(messages, {0: 3, 1: 5}, membership)
    assert eventually(lambda: cluster.read_visible() == [b"a", b"b"])
    assert await member.fetch_committed(frozenset({0, 1})) == {0: (3, ""), 1: (5, "")}


async def test_one_producer_commits_many_times(cluster: Cluster) -> None:
    member = await cluster.start_member()
    membership = await await_membership(member)
    await cluster.transactions.renew()
    for number in range(1, 4):
        sent = [(cluster.verdict_topic, build_message(b"%d" % number))]
        assert await cluster.transactions.commit(sent, {0: number}, membership)
    assert eventually(lambda: cluster.read_visible() == [b"1", b"2", b"3"])
    assert await member.fetch_committed(frozenset({0})) == {0: (3, "")}


async def test_offsets_without_a_message_are_a_transaction_too(cluster: Cluster) -> None:
    member = await cluster.start_member()
    membership = await await_membership(member)
    await cluster.transactions.renew()
    assert await cluster.transactions.commit([], {0: 9}, membership, label="ninth")
    assert await member.fetch_committed(frozenset({0, 1})) == {0: (9, "ninth")}


async def test_a_member_of_an_older_generation_is_fenced_and_can_begin_anew(cluster: Cluster) -> None:
    member = await cluster.start_member()
    old = await await_membership(member)
    await cluster.transactions.renew()
    other = await cluster.start_member()
    assert await await_membership(member, other) != old
    sent = [(cluster.verdict_topic, build_message(b"a"))]
    assert not await cluster.transactions.commit(sent, {0: 3}, old)
    assert cluster.read_visible() == []
    async with asyncio.timeout(PATIENCE_S):  # the group may still be settling, each time with another generation
        committed = False
        while not committed:
            await cluster.transactions.renew()
            committed = await cluster.transactions.commit(sent, {0: 3}, await await_membership(member, other))
    assert eventually(lambda: cluster.read_visible() == [b"a"])


async def test_limits_of_both_topics_are_known(cluster: Cluster) -> None:
    await cluster.transactions.renew()
    assert set(cluster.transactions.limit_bytes) == {cluster.verdict_topic, cluster.dead_letter_topic}
    assert min(cluster.transactions.limit_bytes.values()) > 1_000_000
