"""The source on real Kafka: before a broker starts, while it is away, and after it is back."""

import asyncio
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.errors import BadSettings, FatalError, TopicMissing
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.sections import KafkaSettings
from worker.kafka import client as kafka_client
from worker.kafka.poll_result import PollResult
from worker.kafka.source import KafkaSource
from worker.kafka.workarounds import close_producer
from worker.local.kafka import KafkaBroker
from worker.local.stack import CACHE


def build_settings(kafka: KafkaForTests) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        input_topic=kafka.create_topic("images"),
        verdict_topic=kafka.create_topic("verdicts"),
        dead_letter_topic=kafka.create_topic("letters"),
        session_timeout_s=6,
    )


@pytest.mark.parametrize("field", ["input_topic", "verdict_topic", "dead_letter_topic"])
async def test_missing_topic_is_named_with_its_setting(kafka: KafkaForTests, field: str) -> None:
    source = KafkaSource(build_settings(kafka).model_copy(update={field: "never.made"}))
    with pytest.raises(TopicMissing, match=rf"never\.made.*ZOOMIN_KAFKA__{field.upper()}"):
        await source.start()
    await source.close()


async def test_start_without_a_broker_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "BOOTSTRAP_TIMEOUT_S", 0.5)
    source = KafkaSource(KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:9"):
        await source.start()
    await source.close()


@pytest.mark.parametrize(
    "wrong",
    [{"bootstrap_servers": "broker:port"}, {"security_protocol": "SSL", "ssl_cafile": Path("/nowhere/ca.pem")}],
)
async def test_settings_that_no_client_can_start_with_are_bad_settings(
    wrong: dict[str, object], kafka: KafkaForTests
) -> None:
    source = KafkaSource(build_settings(kafka).model_copy(update=wrong))
    with pytest.raises(BadSettings, match="ZOOMIN_KAFKA"):
        await source.start()
    await source.close()


async def test_broker_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    own = KafkaForTests(KafkaBroker(tmp_path, cache=CACHE, notify=print).start())
    settings = build_settings(own)
    source = KafkaSource(settings)
    seen: list[bytes | None] = []

    async def poll() -> PollResult:
        poll_result = await source.poll(max_records=10, paused=frozenset(), committable={}, timeout_s=0.1)
        seen.extend(record.value for record in poll_result.records)
        return poll_result

    try:
        own.send(settings.input_topic, b"before")
        await source.start()
        async with asyncio.timeout(30):
            while not seen:
                await poll()

        producer = KafkaProducer(bootstrap_servers=own.bootstrap_servers)
        producer.send(settings.verdict_topic, b"first").get(timeout=30)
        own.broker.kill()
        await asyncio.to_thread(close_in_time, producer, settings.verdict_topic)

        for _ in range(5):
            assert (await poll()).records == []
        assert not await source.commit({0: 1})
        assert await source.measure_lag() == {}

        await asyncio.to_thread(own.broker.start)
        own.send(settings.input_topic, b"after")
        async with asyncio.timeout(60):
            while b"after" not in seen:
                await poll()
            while not await source.commit({0: 2}):
                await poll()
            while not (lag := await source.measure_lag()):  # empty: no answer yet
                await poll()
        assert lag == {0: 0}
    finally:
        await source.close()
        own.broker.stop()


def close_in_time(producer: KafkaProducer, topic: str) -> None:
    """Check that the producer closes in time although it cannot flush, and that its thread ends."""
    lost = producer.send(topic, b"lost")
    began = time.monotonic()
    close_producer(producer, 1.0)
    assert time.monotonic() - began < producer.config["delivery_timeout_ms"] / 1000 / 4
    assert eventually(lambda: lost.failed() and not producer._sender.is_alive())
