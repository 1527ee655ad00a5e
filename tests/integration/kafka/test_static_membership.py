"""Members with a name of their own (group.instance.id): a restart moves no partition, and a name is for one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from pipeline.errors import FatalError
from tests.support.servers.services import KafkaForTests
from worker.common.sections import KafkaSettings
from worker.kafka.poll_result import PollResult
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions

PATIENCE_S = 60
NAME_TAKEN = r"joined group .* as a .*GROUP_INSTANCE_ID"

Join = Callable[[str], Awaitable[KafkaSource]]


@pytest.fixture
def settings(kafka: KafkaForTests) -> KafkaSettings:
    topic, outputs = kafka.create_topic("images", partitions=2), kafka.create_topic("outputs")
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"group-{uuid4().hex[:8]}",
        input_topic=topic,
        verdict_topic=outputs,
        dead_letter_topic=outputs,
        session_timeout_s=30,
    )


@pytest.fixture
async def join(settings: KafkaSettings) -> AsyncIterator[Join]:
    async with AsyncExitStack() as stack:

        async def start_member(name: str) -> KafkaSource:
            source = KafkaSource(settings.model_copy(update={"group_instance_id": name}))
            stack.push_async_callback(source.close)
            await source.start()
            return source

        yield start_member


async def poll(source: KafkaSource) -> PollResult:
    return await source.poll(max_records=10, paused=frozenset(), committable={}, timeout_s=0.05)


async def poll_for_ever(source: KafkaSource) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await poll(source)


async def poll_until_each_has_one(*sources: KafkaSource) -> list[PollResult]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            results = [await poll(source) for source in sources]
            if all(len(result.assignment) == 1 and result.membership for result in results):
                return results


async def test_restart_keeps_the_partitions_and_disturbs_nobody(join: Join) -> None:
    restarted, other = await join("a"), await join("b")
    before, other_before = await poll_until_each_has_one(restarted, other)
    await restarted.close()
    restarted = await join("a")
    after, other_after = await poll_until_each_has_one(restarted, other)
    assert after.assignment == before.assignment
    assert other_after.assignment == other_before.assignment
    assert after.membership != before.membership, "it is a new member under the old name"
    assert other_after.membership == other_before.membership, "the same generation: no rebalance"


async def test_process_whose_name_was_taken_ends_and_commits_nothing_more(
    kafka: KafkaForTests, settings: KafkaSettings, join: Join
) -> None:
    kafka.send(settings.input_topic, b"a", partition=0)
    displaced = await join("a")
    async with asyncio.timeout(PATIENCE_S):
        while not (await poll(displaced)).records:
            pass
    taker = await join("a")
    async with asyncio.timeout(PATIENCE_S):
        while not (await poll(taker)).records:
            pass
    with pytest.raises(FatalError, match=NAME_TAKEN):
        await displaced.commit({0: 1})
    assert await taker.fetch_committed(frozenset({0})) == {}
    with pytest.raises(FatalError, match=NAME_TAKEN):
        await poll_for_ever(displaced)


async def test_transactions_of_a_process_whose_name_was_taken_are_refused(
    kafka: KafkaForTests, settings: KafkaSettings, join: Join
) -> None:
    kafka.send(settings.input_topic, b"a", b"b", partition=0)
    transactions = KafkaTransactions(settings)
    try:
        await transactions.renew()
        displaced = await join("a")
        async with asyncio.timeout(PATIENCE_S):
            while not (result := await poll(displaced)).records:
                pass
        assert result.membership
        assert await transactions.commit([], {0: 1}, result.membership)
        taker = await join("a")
        async with asyncio.timeout(PATIENCE_S):
            while not (await poll(taker)).records:
                pass
        assert not await transactions.commit([], {0: 2}, result.membership)
        assert await taker.fetch_committed(frozenset({0})) == {0: (1, "")}
    finally:
        await transactions.close()
