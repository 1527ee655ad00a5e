"""Transactions while brokers freeze, die, or somebody else has the id; each with what real Kafka does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from pipeline.errors import BrokerUnavailable, FatalError
from tests.contract.test_transactions import joined, message
from tests.integration.kafka.test_publisher_outages import shrink
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.settings import KafkaSettings
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions
from worker.local.kafka import KafkaBroker
from worker.local.stack import CACHE

Result = TypeVar("Result")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[KafkaForTests]:
    broker = KafkaBroker(tmp_path, cache=CACHE, notify=print).start()
    yield KafkaForTests(broker)
    broker.stop()


@pytest.fixture
async def closing() -> AsyncIterator[list[KafkaTransactions | KafkaSource]]:
    opened: list[KafkaTransactions | KafkaSource] = []
    yield opened
    for one in opened:
        await one.close()


def settings(kafka: KafkaForTests, **more: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"group-{uuid4().hex[:8]}",
        input_topic=kafka.topic("source"),
        verdict_topic=kafka.topic("verdicts"),
        dead_letter_topic=kafka.topic("letters"),
        **more,  # type: ignore[arg-type]
    )


async def member(place: KafkaSettings, closing: list[KafkaTransactions | KafkaSource]) -> KafkaSource:
    source = KafkaSource(place)
    closing.append(source)
    await source.start()
    return source


async def transactions(place: KafkaSettings, closing: list[KafkaTransactions | KafkaSource]) -> KafkaTransactions:
    opened = KafkaTransactions(place)
    closing.append(opened)
    await served(opened.renew)
    return opened


async def served(ask: Callable[[], Awaitable[Result]]) -> Result:
    """The answer, once there is one: a broker that is new, or has thawed, refuses for a moment."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except BrokerUnavailable:
                continue


def seen(kafka: KafkaForTests, place: KafkaSettings) -> list[bytes | None]:
    """What a commit that has been answered holds comes into sight some moments after."""
    return [record.value for record in kafka.records(place.verdict_topic)]


async def test_a_frozen_broker_holds_nobody_up_for_long_and_what_came_of_it_is_known_later(
    own: KafkaForTests, closing: list[KafkaTransactions | KafkaSource]
) -> None:
    place = settings(own)
    source = await member(place, closing)
    membership = await joined(source)
    line = await transactions(place, closing)
    assert await line.commit([(place.verdict_topic, message(b"before"))], {0: 1}, membership)
    own.broker.server.freeze()
    try:
        async with asyncio.timeout(60):
            with pytest.raises(BrokerUnavailable):
                await line.commit([(place.verdict_topic, message(b"unknown"))], {0: 2}, membership)
    finally:
        own.broker.server.thaw()
    await served(line.renew)
    committed = (await served(lambda: source.fetch_committed(frozenset({0}))))[0]
    both_or_neither = [(1, [b"before"]), (2, [b"before", b"unknown"])]
    assert (committed, seen(own, place)) in both_or_neither


async def test_a_restarted_broker_takes_the_next_transaction(
    own: KafkaForTests, closing: list[KafkaTransactions | KafkaSource]
) -> None:
    place = settings(own)
    source = await member(place, closing)
    line = await transactions(place, closing)
    membership = await joined(source)
    own.broker.kill()
    with pytest.raises(BrokerUnavailable):
        await line.commit([(place.verdict_topic, message(b"lost"))], {0: 1}, membership)
    await asyncio.to_thread(own.broker.start)
    async with asyncio.timeout(60):
        committed = False
        while not committed:
            try:
                await line.renew()
                committed = await line.commit([(place.verdict_topic, message(b"after"))], {0: 2}, await joined(source))
            except BrokerUnavailable:
                continue
    assert eventually(lambda: seen(own, place)[-1:] == [b"after"])
    assert await served(lambda: source.fetch_committed(frozenset({0}))) == {0: 2}


async def test_a_second_worker_with_the_same_id_ends_the_first(
    kafka: KafkaForTests, closing: list[KafkaTransactions | KafkaSource]
) -> None:
    place = settings(kafka, transactional_id=f"slot-{uuid4().hex[:8]}")
    source = await member(place, closing)
    membership = await joined(source)
    first = await transactions(place, closing)
    second = await transactions(place, closing)
    with pytest.raises(FatalError, match="ZOOMIN_KAFKA__TRANSACTIONAL_ID"):
        await first.commit([(place.verdict_topic, message(b"first"))], {0: 1}, membership)
    assert await second.commit([(place.verdict_topic, message(b"second"))], {0: 1}, membership)
    assert eventually(lambda: seen(kafka, place) == [b"second"])


async def test_a_topic_that_takes_less_than_it_did_ends_the_worker(
    kafka: KafkaForTests, closing: list[KafkaTransactions | KafkaSource]
) -> None:
    place = settings(kafka)
    source = await member(place, closing)
    membership = await joined(source)
    line = await transactions(place, closing)
    shrink(kafka, place.verdict_topic)
    incompressible = bytes((n * n * 31 + n // 7) % 251 for n in range(50_000))
    with pytest.raises(FatalError, match="smaller messages"):
        await line.commit([(place.verdict_topic, message(incompressible))], {0: 1}, membership)
