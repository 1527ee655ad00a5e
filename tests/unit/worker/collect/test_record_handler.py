import pytest

from pipeline.errors import EngineDead, FatalError, ImageChanged, StoreDenied, VerdictMissing
from pipeline.wire.record import RawRecord
from tests.support.builders import build_record
from tests.support.fakes_kafka import FakeBroker
from tests.support.handlers import build_retrier
from worker.collect.record_handler import RecordHandler
from worker.handler import Outcome
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch
from worker.observe.telemetry import Metrics, Tracing


class Failing:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def collect(self, record: RawRecord, watch: Stopwatch) -> None:
        with watch.time_stage("fetch"):
            if self.error is not None:
                raise self.error


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def build(broker: FakeBroker, error: Exception | None) -> RecordHandler:
    publisher = RetryingPublisher(
        broker.build_publisher(), verdict_retrier=build_retrier(), letter_retrier=build_retrier()
    )
    return RecordHandler(Failing(error), publisher, EventObserver(Metrics(), Tracing("worker", "group")))


async def test_a_record_that_is_collected_has_no_code(broker: FakeBroker) -> None:
    assert await build(broker, None).handle(build_record(b"{}")) == Outcome((None,))
    assert not broker.dead_letters


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageChanged("other"), "image_changed"),
        (VerdictMissing("none"), "verdict_missing"),
        (ZeroDivisionError("bug"), "internal_fault"),
    ],
)
async def test_a_failure_is_a_letter_with_stage_and_bytes_and_without_an_event_id(
    broker: FakeBroker, error: Exception, code: str
) -> None:
    assert await build(broker, error).handle(build_record(b"{}", topic="zoomin.reviews")) == Outcome((code,))
    (letter,) = broker.dead_letters
    headers = dict(letter.headers)
    assert (letter.value, headers["zoomin-dlt-code"], headers["zoomin-dlt-stage"]) == (b"{}", code.encode(), b"fetch")
    assert headers["zoomin-dlt-topic"] == b"zoomin.reviews"
    assert "zoomin-event-id" not in headers


@pytest.mark.parametrize("error", [StoreDenied("keys"), EngineDead("dead")])
async def test_a_fatal_error_ends_the_process(broker: FakeBroker, error: FatalError) -> None:
    with pytest.raises(type(error)):
        await build(broker, error).handle(build_record(b"{}"))
    assert not broker.dead_letters
