"""The reader over a consumer in memory whose poll, like Kafka's, brings whatever is there by then."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from pipeline.errors import FatalError
from worker.common.sections import KafkaSettings
from worker.kafka.topic_reader import BEGINNING, TopicReader

PLACE = TopicPartition("verdicts", 0)


class LiveTopic:
    """One partition. Each poll brings at most `poll_size` records, after `arrivals` more were written."""

    def __init__(self, *, stored: int, arrivals: list[int], poll_size: int = 500) -> None:
        self.end, self.arrivals, self.poll_size, self.position_now = stored, arrivals, poll_size, 0
        self.polls_until_outage: int | None = None

    def poll(self, **_timeout: int) -> dict[TopicPartition, list[SimpleNamespace]]:
        if self.polls_until_outage is not None:
            self.polls_until_outage -= 1
            if self.polls_until_outage < 0:
                raise kafka_errors.KafkaError("away")
        self.end += self.arrivals.pop(0) if self.arrivals else 0
        offsets = range(self.position_now, min(self.end, self.position_now + self.poll_size))
        self.position_now += len(offsets)
        return {PLACE: [build_consumed(offset) for offset in offsets]}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def assign(self, _places: Any) -> None:
        return

    def seek(self, _place: TopicPartition, offset: int) -> None:
        self.position_now = offset

    def position(self, _place: TopicPartition, **_timeout: int) -> int:
        return self.position_now

    def beginning_offsets(self, places: list[TopicPartition], **_timeout: int) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    def end_offsets(self, places: list[TopicPartition], **_timeout: int) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.end)


def build_consumed(offset: int) -> SimpleNamespace:
    return SimpleNamespace(
        topic=PLACE.topic, partition=0, offset=offset, timestamp=offset, key=None, value=b"{}", headers=[]
    )


def open_reader(topic: LiveTopic) -> TopicReader:
    return TopicReader(
        KafkaSettings(), PLACE.topic, since=BEGINNING, open_client=lambda _settings: cast("KafkaConsumer", topic)
    )


def read_offsets(reader: TopicReader) -> list[int]:
    return [record.offset for record in reader.read_stored()]


def test_what_is_written_meanwhile_is_left_for_the_next_reading() -> None:
    reader = open_reader(LiveTopic(stored=3, arrivals=[2]))
    assert read_offsets(reader) == [0, 1, 2]
    assert read_offsets(reader) == [3, 4]
    assert read_offsets(reader) == []


def test_records_before_an_outage_are_handed_over() -> None:
    topic = LiveTopic(stored=5, arrivals=[], poll_size=2)
    topic.polls_until_outage = 2
    reader = open_reader(topic)
    batches = reader.read_stored_batches()
    seen = [record.offset for batch in (next(batches), next(batches)) for record in batch]
    with pytest.raises(FatalError, match="away"):
        next(batches)
    topic.polls_until_outage = None
    assert [*seen, *read_offsets(reader)] == [0, 1, 2, 3, 4]
