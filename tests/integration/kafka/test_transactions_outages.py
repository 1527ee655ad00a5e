"""Transactions on real Kafka while brokers freeze or die, or another worker has the same id."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient

from pipeline.errors import BrokerUnavailable, FatalError
from tests.contract.test_transactions import await_membership, build_message
from tests.integration.kafka.test_publisher_outages import NOISE, TOO_LARGE, change_limit
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.sections import KafkaSettings
from worker.kafka.exactly_once import ExactlyOnce
from worker.kafka.source import KafkaSource
from worker.kafka.transactions import KafkaTransactions

Result = TypeVar("Result")
Closable = KafkaTransactions | KafkaSource | ExactlyOnce


@pytest.fixture
async def closing() -> AsyncIterator[list[Closable]]:
    opened: list[Closable] = []
    yield opened
    for opened_client in opened:
        await opened_client.close()


def build_settings(kafka: KafkaForTests, **more: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"group-{uuid4().hex[:8]}",
        input_topic=kafka.create_topic("source"),
        verdict_topic=kafka.create_topic("verdicts"),
        dead_letter_topic=kafka.create_topic("letters"),
        **more,  # type: ignore[arg-type]
    )


async def start_member(settings: KafkaSettings, closing: list[Closable]) -> KafkaSource:
    source = KafkaSource(settings)
    closing.append(source)
    await source.start()
    return source


async def start_transactions(settings: KafkaSettings, closing: list[Closable]) -> KafkaTransactions:
    opened = KafkaTransactions(settings)
    closing.append(opened)
    await retry_until_served(opened.renew)
    return opened


async def retry_until_served(call: Callable[[], Awaitable[Result]]) -> Result:
    """Retry until the call succeeds: a new or unfrozen broker refuses for a moment."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except BrokerUnavailable:
                continue


async def test_offsets_of_a_transaction_carry_the_leader_epoch(kafka: KafkaForTests, closing: list[Closable]) -> None:
    settings = build_settings(kafka)
    kafka.send(settings.input_topic, b"a", b"b")
    both = ExactlyOnce(
        KafkaSource(settings),
        KafkaTransactions(settings),
        verdict_topic=settings.verdict_topic,
        on_outage=lambda _refusal: None,
    )
    closing.append(both)
    await retry_until_served(both.check)
    await both.start()
    async with asyncio.timeout(60):
        while not (await both.poll(max_records=9, paused=frozenset(), committable={}, timeout_s=0.1)).records:
            pass
        while not await both.commit({0: 2}):
            await both.poll(max_records=9, paused=frozenset(), committable={}, timeout_s=0.1)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    (committed,) = admin.list_group_offsets(settings.group_id)[settings.group_id].values()
    admin.close()
    assert (committed.offset, committed.leader_epoch) == (2, 0)


def read_visible(kafka: KafkaForTests, settings: KafkaSettings) -> list[bytes | None]:
    """Read the committed values; they become visible shortly after the commit returns."""
    return [record.value for record in kafka.read_records(settings.verdict_topic)]


async def test_a_frozen_broker_holds_nobody_up_for_long_and_what_came_of_it_is_known_later(
    own_kafka: KafkaForTests, closing: list[Closable]
) -> None:
    settings = build_settings(own_kafka)
    source = await start_member(settings, closing)
    membership = await await_membership(source)
    transactions = await start_transactions(settings, closing)
    assert await transactions.commit([(settings.verdict_topic, build_message(b"before"))], {0: 1}, membership)
    own_kafka.broker.server.freeze()
    try:
        async with asyncio.timeout(60):
            with pytest.raises(BrokerUnavailable):
                await transactions.commit([(settings.verdict_topic, build_message(b"unknown"))], {0: 2}, membership)
    finally:
        own_kafka.broker.server.thaw()
    await retry_until_served(transactions.renew)
    committed = (await retry_until_served(lambda: source.fetch_committed(frozenset({0}))))[0].offset
    both_or_neither = [(1, [b"before"]), (2, [b"before", b"unknown"])]
    assert (committed, read_visible(own_kafka, settings)) in both_or_neither


async def test_a_restarted_broker_takes_the_next_transaction(own_kafka: KafkaForTests, closing: list[Closable]) -> None:
    settings = build_settings(own_kafka)
    source = await start_member(settings, closing)
    transactions = await start_transactions(settings, closing)
    membership = await await_membership(source)
    own_kafka.broker.kill()
    with pytest.raises(BrokerUnavailable):
        await transactions.commit([(settings.verdict_topic, build_message(b"lost"))], {0: 1}, membership)
    await asyncio.to_thread(own_kafka.broker.start)
    async with asyncio.timeout(60):
        committed = False
        while not committed:
            try:
                await transactions.renew()
                committed = await transactions.commit(
                    [(settings.verdict_topic, build_message(b"after"))], {0: 2}, await await_membership(source)
                )
            except BrokerUnavailable:
                continue
    assert eventually(lambda: read_visible(own_kafka, settings)[-1:] == [b"after"])
    assert await retry_until_served(lambda: source.fetch_committed(frozenset({0}))) == {0: (2, "")}


async def test_a_second_worker_with_the_same_id_ends_the_first(kafka: KafkaForTests, closing: list[Closable]) -> None:
    settings = build_settings(kafka, transactional_id=f"slot-{uuid4().hex[:8]}")
    source = await start_member(settings, closing)
    membership = await await_membership(source)
    first = await start_transactions(settings, closing)
    second = await start_transactions(settings, closing)
    with pytest.raises(FatalError, match="ZOOMIN_KAFKA__TRANSACTIONAL_ID"):
        await first.commit([(settings.verdict_topic, build_message(b"first"))], {0: 1}, membership)
    assert await second.commit([(settings.verdict_topic, build_message(b"second"))], {0: 1}, membership)
    assert eventually(lambda: read_visible(kafka, settings) == [b"second"])


async def test_a_topic_that_takes_less_than_it_did_ends_the_worker(
    kafka: KafkaForTests, closing: list[Closable]
) -> None:
    settings = build_settings(kafka)
    source = await start_member(settings, closing)
    membership = await await_membership(source)
    transactions = await start_transactions(settings, closing)
    change_limit(kafka, settings.verdict_topic, len(TOO_LARGE))
    with pytest.raises(FatalError, match="smaller messages"):
        await transactions.commit([(settings.verdict_topic, build_message(NOISE))], {0: 1}, membership)
