import pytest

from pipeline.errors import BrokerUnavailable, VerdictMissing
from pipeline.labeling.case_search import Selection
from pipeline.wire.record import RawRecord
from tests.support.collecting import PATIENCE_S, Desk
from tests.support.verdicts import build_verdict

OF_EVENT = Selection(event_ids=frozenset({"event-1"}))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_the_latest_verdict_is_read_from_the_topic(desk: Desk) -> None:
    desk.publish(build_verdict(scan="real"), build_verdict(scan="generated"))
    assert (await desk.finder.find_latest("event-1")).scan.verdict == "generated"


async def test_a_verdict_that_retention_took_is_passed_over(desk: Desk) -> None:
    desk.publish(build_verdict(scan="real"), build_verdict(scan="generated"))
    desk.topic.verdicts[1] = None
    assert (await desk.finder.find_latest("event-1")).scan.verdict == "real"


async def test_a_topic_that_was_made_anew_lends_no_verdict_of_another_event(desk: Desk) -> None:
    desk.publish(build_verdict(scan="real"), build_verdict(scan="generated"))
    desk.topic.verdicts[1] = build_verdict(event_id="event-2")
    assert (await desk.finder.find_latest("event-1")).scan.verdict == "real"


async def test_a_verdict_that_comes_within_the_patience_is_found(desk: Desk) -> None:
    async def publish_late(seconds: float) -> None:
        await Desk.sleep(desk, seconds)
        if desk.now == PATIENCE_S:
            desk.publish(build_verdict())

    desk.finder._sleep = publish_late
    assert (await desk.finder.find_latest("event-1")).event_id == "event-1"


async def test_a_verdict_is_missing_only_when_the_topic_was_read_so_far(desk: Desk) -> None:
    with pytest.raises(VerdictMissing, match="event event-1"):
        await desk.finder.find_latest("event-1")
    assert desk.now >= PATIENCE_S


async def test_while_kafka_is_away_no_verdict_is_missing(desk: Desk) -> None:
    async def pass_time(seconds: float) -> None:
        desk.now += seconds
        if desk.now == 10 * PATIENCE_S:
            desk.publish(build_verdict())

    desk.finder._sleep = pass_time
    assert await desk.finder.find_images(OF_EVENT) == {"ab" * 32}


async def test_a_topic_that_cannot_be_read_for_a_while_costs_nothing(desk: Desk) -> None:
    refusals = [BrokerUnavailable("away")] * 3

    class FailingReader:
        def read(self, partition: int, offset: int) -> RawRecord | None:
            if refusals:
                raise refusals.pop()
            return desk.topic.read(partition, offset)

        def close(self) -> None:
            return

    desk.finder._reader = FailingReader()
    desk.publish(build_verdict())
    assert (await desk.finder.find_latest("event-1")).event_id == "event-1"
