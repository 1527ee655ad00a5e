"""Contract of a publisher, checked on the fake and on real Kafka."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from pipeline.errors import BrokerUnavailable, ImageUndecodable, MalformedEvent, MessageTooLarge, ZoomInError
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from tests.support.builders import build_record
from tests.support.fakes_kafka import FakeBroker
from tests.support.servers.services import KafkaForTests
from tests.support.verdicts import build_verdict
from worker.common.sections import KafkaSettings
from worker.kafka.delivery import AcknowledgedDelivery
from worker.kafka.outgoing import OutgoingMessage
from worker.kafka.publisher import KafkaPublisher

LIMIT_BYTES = 1_048_588
NOISE = random.Random(0).randbytes(2 * LIMIT_BYTES)
"""bytes that no compression makes smaller"""


class Publisher(Protocol):
    async def publish_verdict(
        self, event: VerdictEvent, record: RawRecord, *, traceparent: str | None = None
    ) -> None: ...

    async def publish_dead_letter(
        self, record: RawRecord, error: ZoomInError, *, event_id: str | None, traceparent: str | None = None
    ) -> None: ...


class Delivery(Protocol):
    async def probe(self) -> None: ...

    async def close(self) -> None: ...


class Desk(Protocol):
    """A publisher with its delivery, and readers of the topics to which it publishes."""

    publisher: Publisher
    delivery: Delivery

    def read_verdicts(self) -> list[OutgoingMessage]: ...

    def read_dead_letters(self) -> list[OutgoingMessage]: ...


class FakeDesk:
    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.publisher = self.delivery = self.broker.build_publisher()

    def read_verdicts(self) -> list[OutgoingMessage]:
        return self.broker.verdicts

    def read_dead_letters(self) -> list[OutgoingMessage]:
        return self.broker.dead_letters


class RealDesk:
    def __init__(self, kafka: KafkaForTests) -> None:
        self.kafka = kafka
        self.settings = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            verdict_topic=kafka.create_topic("verdicts"),
            dead_letter_topic=kafka.create_topic("letters"),
        )
        self.delivery = AcknowledgedDelivery(self.settings)
        self.publisher = KafkaPublisher(self.settings, "worker-1", self.delivery)

    def read_verdicts(self) -> list[OutgoingMessage]:
        return self._read_topic(self.settings.verdict_topic)

    def read_dead_letters(self) -> list[OutgoingMessage]:
        return self._read_topic(self.settings.dead_letter_topic)

    def _read_topic(self, topic: str) -> list[OutgoingMessage]:
        return [
            OutgoingMessage(found.key, found.value, tuple(found.headers)) for found in self.kafka.read_records(topic)
        ]


@pytest.fixture(params=["fake", "kafka"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk: Desk = FakeDesk() if request.param == "fake" else RealDesk(request.getfixturevalue("kafka"))
    yield desk
    await desk.delivery.close()


def read_headers(message: OutgoingMessage) -> dict[str, bytes]:
    return dict(message.headers)


async def test_verdict_has_arrived_when_the_call_returns(desk: Desk) -> None:
    event = build_verdict(event_id="event-9")
    await desk.publisher.publish_verdict(event, build_record(key=b"own"), traceparent="00-trace")
    (message,) = desk.read_verdicts()
    assert VerdictEvent.model_validate_json(message.value or b"") == event
    assert message.key == b"own"
    assert read_headers(message) == {
        "content-type": b"application/json",
        "zoomin-schema": b"verdict/1",
        "zoomin-event-id": b"event-9",
        "traceparent": b"00-trace",
    }


async def test_many_verdicts_at_once_all_arrive(desk: Desk) -> None:
    events = [build_verdict(event_id=f"event-{number}") for number in range(200)]
    await asyncio.gather(*(desk.publisher.publish_verdict(event, build_record()) for event in events))
    assert {read_headers(message)["zoomin-event-id"].decode() for message in desk.read_verdicts()} == {
        e.event_id for e in events
    }
    assert len(desk.read_verdicts()) == 200


async def test_dead_letter_is_the_record_byte_for_byte(desk: Desk) -> None:
    odd = build_record(b"\x00\xff{", key=b"\xfe\x00", headers={"a": b"\xff", "zoomin-dlt-code": b"forged", "ü": b""})
    error = ImageUndecodable("cut short")
    error.stage = "decode"
    await desk.publisher.publish_dead_letter(odd, error, event_id="event-1")
    (message,) = desk.read_dead_letters()
    assert (message.key, message.value) == (b"\xfe\x00", b"\x00\xff{")
    assert message.headers[:2] == (("a", b"\xff"), ("ü", b""))
    found = read_headers(message)
    assert (found["zoomin-dlt-code"], found["zoomin-dlt-stage"]) == (b"image_undecodable", b"decode")
    assert (found["zoomin-dlt-partition"], found["zoomin-dlt-offset"]) == (b"3", b"42")


async def test_tombstones_and_empty_records_become_letters_too(desk: Desk) -> None:
    for offset, (key, value) in enumerate([(b"k", None), (None, None), (None, b""), (b"", b"")]):
        place = RawRecord("zoomin.images", 0, offset, 0, key, value)
        await desk.publisher.publish_dead_letter(place, MalformedEvent("empty"), event_id=None)
    found = {read_headers(message)["zoomin-dlt-offset"]: message for message in desk.read_dead_letters()}
    assert (found[b"0"].key, found[b"0"].value) == (b"k", None)
    assert (found[b"1"].value, read_headers(found[b"1"])["zoomin-dlt-value"]) == (b"", b"omitted")
    assert (found[b"2"].key, found[b"2"].value) == (None, b"")
    assert (found[b"3"].key, found[b"3"].value) == (b"", b"")


@pytest.mark.parametrize("part", ["value", "key", "headers"])
async def test_record_at_the_size_limit_becomes_a_letter_without_what_is_too_large(desk: Desk, part: str) -> None:
    flood = NOISE[: LIMIT_BYTES - 100]
    values = {"value": b"v", "key": b"k", "headers": ()} | {part: (("h", flood),) if part == "headers" else flood}
    place = RawRecord("zoomin.images", 1, 7, 0, **values)  # type: ignore[arg-type]
    await desk.publisher.publish_dead_letter(place, MalformedEvent("large"), event_id=None)
    await desk.publisher.publish_dead_letter(build_record(b"small"), MalformedEvent("small"), event_id=None)
    omitted, small = sorted(desk.read_dead_letters(), key=lambda message: message.value or b"")
    assert (omitted.value, read_headers(omitted)["zoomin-dlt-value"]) == (b"", b"omitted")
    assert read_headers(omitted)["zoomin-dlt-offset"] == b"7"
    assert small.value == b"small"


async def test_record_that_fits_only_compressed_becomes_a_whole_letter(desk: Desk) -> None:
    record = build_record(b"x" * 4 * LIMIT_BYTES, key=b"k")
    await desk.publisher.publish_dead_letter(record, MalformedEvent("large"), event_id=None)
    (letter,) = desk.read_dead_letters()
    assert letter.value == record.value


async def test_verdict_larger_than_its_topic_takes_is_refused_and_harms_no_other(desk: Desk) -> None:
    with pytest.raises(MessageTooLarge):
        await desk.publisher.publish_verdict(build_verdict(scan_explanation=NOISE.hex()), build_record())
    await desk.publisher.publish_verdict(build_verdict(event_id="after"), build_record())
    assert [read_headers(message)["zoomin-event-id"] for message in desk.read_verdicts()] == [b"after"]


async def test_probe_is_content_with_a_topic_that_has_taken_a_verdict(desk: Desk) -> None:
    with pytest.raises(BrokerUnavailable):
        await desk.delivery.probe()
    await desk.publisher.publish_verdict(build_verdict(), build_record())
    await desk.delivery.probe()
