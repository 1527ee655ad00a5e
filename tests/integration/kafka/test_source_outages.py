"""The source on real Kafka: before a broker starts, while it is away, and after it is back."""

import asyncio
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from pipeline.errors import BadSettings, FatalError, TopicMissing
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.sections import KafkaSettings
from worker.kafka import client as kafka_client
from worker.kafka.poll_result import PollResult, Truncation
from worker.kafka.source import KafkaSource
from worker.kafka.workarounds import close_producer


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


async def test_broker_that_is_killed_and_comes_back(own_kafka: KafkaForTests) -> None:
    settings = build_settings(own_kafka)
    source = KafkaSource(settings)
    seen: list[bytes | None] = []

    async def poll() -> PollResult:
        poll_result = await source.poll(max_records=10, paused=frozenset(), committable={}, timeout_s=0.1)
        seen.extend(record.value for record in poll_result.records)
        return poll_result

    try:
        own_kafka.send(settings.input_topic, b"before")
        await source.start()
        async with asyncio.timeout(30):
            while not seen:
                await poll()

        producer = KafkaProducer(bootstrap_servers=own_kafka.bootstrap_servers)
        producer.send(settings.verdict_topic, b"first").get(timeout=30)
        own_kafka.broker.kill()
        await asyncio.to_thread(close_in_time, producer, settings.verdict_topic)

        for _ in range(5):
            assert (await poll()).records == []
        assert not await source.commit({0: 1})
        assert await source.measure_lag() == {}

        await asyncio.to_thread(own_kafka.broker.start)
        own_kafka.send(settings.input_topic, b"after")
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


async def test_log_that_was_cut_is_read_on_from_the_cut(own_kafka: KafkaForTests) -> None:
    """One worker runs idle while it happens; another one starts afterwards from its committed offset."""
    settings = build_settings(own_kafka)
    running, starting = (KafkaSource(settings.model_copy(update={"group_id": group})) for group in ("a", "b"))
    new_values = [b"new %d" % number for number in range(10)]
    try:
        for number in range(4):
            own_kafka.send(settings.input_topic, *[b"%d" % number] * 10)  # a batch each
        for source in (running, starting):
            await source.start()
            await read_and_commit(source, 40)
            await source.close()
        running = KafkaSource(settings.model_copy(update={"group_id": "a"}))
        await running.start()
        await poll_idle(running)

        own_kafka.broker.stop()
        cut_at = cut_batches(own_kafka.broker.server.directory / "data", settings.input_topic, keep=2)
        own_kafka.broker.start()
        own_kafka.send(settings.input_topic, *new_values)
        starting = KafkaSource(settings.model_copy(update={"group_id": "b"}))
        await starting.start()
        for source in (running, starting):
            assert await read_behind_cut(source) == (
                new_values,
                [Truncation(0, expected=40, resumed_at=cut_at, by_epoch=True)],
            )
    finally:
        await running.close()
        await starting.close()


async def poll_idle(source: KafkaSource) -> None:
    """Poll until the position is known, and on: a fetch without records must not make the source forget its epoch."""
    idle_polls = 0
    async with asyncio.timeout(60):
        while idle_polls < 10:
            poll_result = await source.poll(max_records=100, paused=frozenset(), committable={}, timeout_s=0.1)
            assert poll_result.records == []
            idle_polls += bool(poll_result.positions)


async def read_behind_cut(source: KafkaSource) -> tuple[list[bytes | None], list[Truncation]]:
    values: list[bytes | None] = []
    truncations: list[Truncation] = []
    async with asyncio.timeout(60):
        while len(values) < 10:
            poll_result = await source.poll(max_records=100, paused=frozenset(), committable={}, timeout_s=0.1)
            values += [record.value for record in poll_result.records]
            truncations += poll_result.truncations
    return values, truncations


async def test_topic_that_was_deleted_and_created_again_is_read_whole(kafka: KafkaForTests) -> None:
    settings = build_settings(kafka)
    source = KafkaSource(settings)
    kafka.send(settings.input_topic, *[b"old"] * 30)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        await source.start()
        await read_and_commit(source, 30)
        admin.delete_topics([settings.input_topic])
        async with asyncio.timeout(60):
            while settings.input_topic in admin.list_topics():  # noqa: ASYNC110 - it is the broker's state
                await asyncio.sleep(0.05)
        admin.create_topics([NewTopic(settings.input_topic, 1, 1)])
        admin.wait_for_topics([settings.input_topic])
        kafka.send(settings.input_topic, *[b"%d" % number for number in range(10)])
        assert (await read_behind_cut(source))[0] == [b"%d" % number for number in range(10)]
    finally:
        admin.close()
        await source.close()


async def read_and_commit(source: KafkaSource, count: int) -> None:
    read = 0
    async with asyncio.timeout(60):
        while read < count:
            poll_result = await source.poll(max_records=100, paused=frozenset(), committable={}, timeout_s=0.1)
            read += len(poll_result.records)
        while not await source.commit({0: count}):
            await source.poll(max_records=1, paused=frozenset({0}), committable={}, timeout_s=0.1)


def cut_batches(data: Path, topic: str, *, keep: int) -> int:
    """Cut the log of a stopped broker behind its first batches, as an election of a lagging replica does.

    Returns the offset of the first record that is gone. Source: each batch of Kafka's message format begins with its
    first offset (8 bytes) and the number of bytes that follow (4 bytes).
    """
    (log,) = (data / f"{topic}-0").glob("*.log")
    content = log.read_bytes()
    begin = 0
    for _ in range(keep):
        begin += 12 + int.from_bytes(content[begin + 8 : begin + 12])
    log.write_bytes(content[:begin])
    for file in (data / f"{topic}-0").glob("*.*index"):
        file.unlink()
    for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        (data / name).unlink(missing_ok=True)
    return int.from_bytes(content[begin : begin + 8])


def close_in_time(producer: KafkaProducer, topic: str) -> None:
    """Check that the producer closes in time although it cannot flush, and that its thread ends."""
    lost = producer.send(topic, b"lost")
    began = time.monotonic()
    close_producer(producer, 1.0)
    assert time.monotonic() - began < producer.config["delivery_timeout_ms"] / 1000 / 4
    assert eventually(lambda: lost.failed() and not producer._sender.is_alive())
