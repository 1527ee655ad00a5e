"""The follower of the verdict topic on real Kafka, with a topic whose beginning retention has deleted."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaAdminClient, TopicPartition

from pipeline.errors import TopicMissing
from tests.support.servers.services import KafkaForTests, eventually
from tests.support.verdicts import build_verdict
from worker.collect.verdict_follower import VerdictFollower
from worker.collect.verdict_index import Place, VerdictIndex
from worker.common.sections import KafkaSettings
from worker.kafka.topic_reader import RecordReader

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
START = datetime(2026, 1, 1, tzinfo=UTC)
SINCE = datetime.now(UTC) - timedelta(days=1)


def build_value(number: int) -> bytes:
    return (
        build_verdict(event_id=f"event-{number}", decided_at=START + timedelta(minutes=number))
        .model_dump_json()
        .encode()
    )


@pytest.fixture
def settings(kafka: KafkaForTests) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, verdict_topic=kafka.create_topic(partitions=2))


@pytest.fixture
def index() -> Iterator[VerdictIndex]:
    with closing(VerdictIndex(max_verdicts=1000)) as index:
        yield index


def follow(settings: KafkaSettings, index: VerdictIndex) -> "closing[VerdictFollower]":
    follower = VerdictFollower(settings, index, since=SINCE, on_outage=lambda _refusal: None)
    follower.start()
    return closing(follower)


def test_verdicts_before_and_after_the_start_are_found_and_read(
    kafka: KafkaForTests, settings: KafkaSettings, index: VerdictIndex
) -> None:
    kafka.send(settings.verdict_topic, build_value(0), b"foreign", b"", build_value(1), partition=1)
    with follow(settings, index) as follower:
        assert (index.find_places("event-1"), follower.complete_since) == ([Place(1, 3)], SINCE)
        kafka.send(settings.verdict_topic, build_value(2), partition=0)
        assert eventually(lambda: index.find_places("event-2") == [Place(0, 0)])
        first_turn_at = follower.complete_at
        assert eventually(lambda: follower.complete_at > first_turn_at)
        assert follower.problem is None
    with closing(RecordReader(settings, settings.verdict_topic)) as reader:
        assert [getattr(reader.read(1, offset), "value", None) for offset in (3, 0)] == [build_value(1), build_value(0)]


def test_verdicts_that_retention_deleted_are_not_taken_for_covered(
    kafka: KafkaForTests, settings: KafkaSettings, index: VerdictIndex
) -> None:
    kafka.send(settings.verdict_topic, *map(build_value, range(5)), partition=0)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.delete_records({TopicPartition(settings.verdict_topic, 0): 3})
    early = VerdictFollower(settings, index, since=START - timedelta(days=9), on_outage=lambda _refusal: None)
    early.start()
    with closing(early):
        assert early.complete_since == START + timedelta(minutes=3)
        assert not index.find_places("event-2")
    with closing(RecordReader(settings, settings.verdict_topic)) as reader:
        assert reader.read(0, 1) is None


def test_a_missing_topic_ends_the_start(kafka: KafkaForTests, settings: KafkaSettings, index: VerdictIndex) -> None:
    missing = settings.model_copy(update={"verdict_topic": "never.made"})
    with pytest.raises(TopicMissing, match=r"never\.made"):
        follow(missing, index)


def test_an_error_of_our_own_is_reported_as_a_problem(
    kafka: KafkaForTests, settings: KafkaSettings, index: VerdictIndex
) -> None:
    with follow(settings, index) as follower:
        index.close()
        kafka.send(settings.verdict_topic, build_value(0), partition=0)
        assert eventually(lambda: follower.problem is not None)
