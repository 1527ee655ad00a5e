"""The publisher on real Kafka: while it is away, while it refuses, and after it is back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError
from kafka.producer.sender import Sender

from pipeline.errors import BrokerUnavailable, MalformedEvent, MessageTooLarge, ZoomInError
from tests.support.builders import build_record
from tests.support.servers.services import KafkaForTests, eventually
from tests.support.verdicts import build_verdict
from worker.common.retry import Retrier, RetryPolicy
from worker.common.sections import KafkaSettings
from worker.kafka import delivery as delivery_module
from worker.kafka.delivery import AcknowledgedDelivery
from worker.kafka.publisher import KafkaPublisher

TOO_LARGE = b"x" * 2_000  # with what is around it
NOISE = random.Random(0).randbytes(50_000)  # which no compression makes smaller

Connect = Callable[[KafkaSettings], KafkaPublisher]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    opened: list[AcknowledgedDelivery] = []

    def connect(settings: KafkaSettings) -> KafkaPublisher:
        opened.append(AcknowledgedDelivery(settings))
        return KafkaPublisher(settings, "worker-1", opened[-1])

    yield connect
    await asyncio.gather(*(delivery.close() for delivery in opened))


def build_settings(kafka: KafkaForTests, *, letter_bytes: int | None = None) -> KafkaSettings:
    letters = (
        kafka.create_topic("letters", max_message_bytes=letter_bytes)
        if letter_bytes
        else kafka.create_dead_letter_topic()
    )
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        verdict_topic=kafka.create_topic("verdicts"),
        dead_letter_topic=letters,
    )


async def test_restart_of_the_broker_is_ridden_out_without_losing_or_repeating(
    own_kafka: KafkaForTests, connect: Connect
) -> None:
    settings = build_settings(own_kafka)
    publisher = connect(settings)
    await publisher.publish_verdict(build_verdict(event_id="before"), build_record())
    own_kafka.broker.stop()
    during = [
        asyncio.create_task(publisher.publish_verdict(build_verdict(event_id=f"{n}"), build_record()))
        for n in range(20)
    ]
    await asyncio.sleep(1)
    assert not any(task.done() for task in during)
    await asyncio.to_thread(own_kafka.broker.start)
    await asyncio.gather(*during)
    ids = [dict(found.headers)["zoomin-event-id"] for found in own_kafka.read_records(settings.verdict_topic)]
    assert sorted(ids) == sorted([b"before", *(b"%d" % n for n in range(20))])


async def test_broker_away_for_longer_than_the_client_waits_is_waited_out(
    own_kafka: KafkaForTests, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each attempt the client gives up on its record; the record delivered in the end is there once."""
    monkeypatch.setattr("worker.kafka.client.REQUEST_TIMEOUT_S", 5.0)
    monkeypatch.setattr("worker.kafka.client.BOOTSTRAP_TIMEOUT_S", 5.0)
    monkeypatch.setattr(delivery_module, "DELIVERY_TIMEOUT_S", 8.0)
    refusals: list[ZoomInError] = []
    retrier = Retrier(
        RetryPolicy(attempts=1, first_wait_s=0.2, max_wait_s=1, patience_s=1),
        clock=time.monotonic,
        sleep=asyncio.sleep,
        rng=random.Random(1),
        on_retry=lambda error, _wait_s: refusals.append(error),
    )
    settings = build_settings(own_kafka)
    publisher = connect(settings)
    await publisher.publish_verdict(build_verdict(event_id="before"), build_record())
    await asyncio.to_thread(own_kafka.broker.stop)
    during = asyncio.create_task(
        retrier.call(lambda: publisher.publish_verdict(build_verdict(event_id="during"), build_record()))
    )
    with monkeypatch.context() as impatient:
        impatient.setattr("worker.kafka.client.BOOTSTRAP_TIMEOUT_S", 1.0)
        assert await asyncio.to_thread(eventually, lambda: len(refusals) >= 2, within_s=60)
    # The last attempt of little patience ends before there is a broker, or it would give up on what that has taken.
    begun = len(refusals)
    assert await asyncio.to_thread(eventually, lambda: len(refusals) > begun)
    await asyncio.to_thread(own_kafka.broker.start)
    await during
    ids = [dict(found.headers)["zoomin-event-id"] for found in own_kafka.read_records(settings.verdict_topic)]
    assert ids == [b"before", b"during"]
    assert {error.code for error in refusals} == {"broker_unavailable"}


async def test_letter_of_a_full_sized_record_is_whole_where_the_topic_takes_it(
    kafka: KafkaForTests, connect: Connect
) -> None:
    settings = build_settings(kafka)
    whole = b"x" * 1_048_000
    await connect(settings).publish_dead_letter(build_record(whole), MalformedEvent("large"), event_id=None)
    assert [found.value for found in kafka.read_records(settings.dead_letter_topic)] == [whole]


async def test_limit_is_the_topics_own(kafka: KafkaForTests, connect: Connect) -> None:
    settings = build_settings(kafka, letter_bytes=20_000)
    publisher = connect(settings)
    await publisher.publish_dead_letter(build_record(NOISE), MalformedEvent("large"), event_id=None)
    await publisher.publish_verdict(build_verdict(scan_explanation=NOISE.hex()), build_record())
    (letter,) = kafka.read_records(settings.dead_letter_topic)
    assert (letter.value, dict(letter.headers)["zoomin-dlt-value"]) == (b"", b"omitted")
    assert len(kafka.read_records(settings.verdict_topic)) == 1


async def test_producer_that_was_refused_once_is_not_used_again(kafka: KafkaForTests, connect: Connect) -> None:
    """After a refusal by the broker an idempotent producer fails for all later records too."""
    settings = build_settings(kafka)
    publisher = connect(settings)
    await publisher.publish_verdict(build_verdict(event_id="before"), build_record())
    change_limit(kafka, settings.verdict_topic, len(TOO_LARGE))
    with pytest.raises(MessageTooLarge, match="MessageSizeTooLarge"):
        await publisher.publish_verdict(build_verdict(scan_explanation=NOISE.hex()), build_record())
    await publisher.publish_verdict(build_verdict(event_id="after"), build_record())
    records = kafka.read_records(settings.verdict_topic)
    ids = [dict(found.headers)["zoomin-event-id"] for found in records if found.value != TOO_LARGE]
    assert ids == [b"before", b"after"]


async def test_letter_topic_that_takes_less_than_before_still_takes_the_letter(
    kafka: KafkaForTests, connect: Connect
) -> None:
    settings = build_settings(kafka)
    publisher = connect(settings)
    await publisher.publish_dead_letter(build_record(b"before"), MalformedEvent("small"), event_id=None)
    change_limit(kafka, settings.dead_letter_topic, len(TOO_LARGE))
    await publisher.publish_dead_letter(build_record(NOISE), MalformedEvent("large"), event_id="large")
    letter = kafka.read_records(settings.dead_letter_topic)[-1]
    assert (letter.value, dict(letter.headers)["zoomin-event-id"]) == (b"", b"large")


async def test_limit_that_an_operator_raises_is_seen_without_a_restart(kafka: KafkaForTests, connect: Connect) -> None:
    settings = build_settings(kafka)
    publisher = connect(settings)
    change_limit(kafka, settings.verdict_topic, len(TOO_LARGE))
    large = build_verdict(event_id="large", scan_explanation=NOISE.hex())
    with pytest.raises(MessageTooLarge, match=r"max\.message\.bytes"):
        await publisher.publish_verdict(large, build_record())
    change_limit(kafka, settings.verdict_topic, 1_000_000)
    with pytest.raises(MessageTooLarge):
        await publisher.publish_verdict(large, build_record())
    await publisher.publish_verdict(large, build_record())
    ids = [dict(found.headers).get("zoomin-event-id") for found in kafka.read_records(settings.verdict_topic)]
    assert b"large" in ids


async def test_no_broker_at_all_is_an_outage(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.kafka.client.BOOTSTRAP_TIMEOUT_S", 0.5)
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:9")
    with pytest.raises(BrokerUnavailable, match="Unable to bootstrap"):
        await connect(nowhere).publish_verdict(build_verdict(), build_record())
    delivery = AcknowledgedDelivery(nowhere)
    with pytest.raises(BrokerUnavailable):
        await delivery.probe()
    await delivery.close()


async def test_client_that_hangs_is_an_outage_and_is_replaced(
    kafka: KafkaForTests, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = connect(build_settings(kafka))
    await publisher.publish_verdict(build_verdict(), build_record())
    with monkeypatch.context() as patch:
        patch.setattr(delivery_module, "SETTLED_WITHIN_S", 0.5)
        patch.setattr(Sender, "run_once", lambda _sender: time.sleep(0.01))
        with pytest.raises(BrokerUnavailable, match=r"neither delivered nor refused a record for .* within 0\.5 s"):
            await publisher.publish_verdict(build_verdict(), build_record())
    await publisher.publish_verdict(build_verdict(), build_record())


async def test_topic_that_vanished_is_an_outage(
    kafka: KafkaForTests, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "BLOCK_TIMEOUT_S", 0.5)
    settings = build_settings(kafka).model_copy(update={"verdict_topic": "never-made"})
    with pytest.raises(BrokerUnavailable):
        await connect(settings).publish_verdict(build_verdict(), build_record())


def change_limit(kafka: KafkaForTests, topic: str, limit_bytes: int) -> None:
    """Change the limit of the topic and wait until it is in force for TOO_LARGE: that takes effect after the answer."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    limit = {"max.message.bytes": str(limit_bytes)}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])
    admin.close()
    assert eventually(lambda: is_refused(kafka, topic) is (limit_bytes <= len(TOO_LARGE)))


def is_refused(kafka: KafkaForTests, topic: str) -> bool:
    try:
        kafka.send(topic, TOO_LARGE)
    except MessageSizeTooLargeError:
        return True
    return False
