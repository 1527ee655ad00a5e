import pytest
import structlog

from pipeline.errors import ImageMissing
from pipeline.wire.entries import IgnoredEntry
from tests.support.builders import build_record
from tests.support.verdicts import build_verdict
from worker.observe.event_observer import EventObserver
from worker.observe.telemetry import Metrics, Tracing

NOW_S = 1_700_000_000.0
RECORD = build_record({}, timestamp_ms=1_699_999_996_000)
ODD_TIMESTAMPS_MS = [-1, 0, -(2**63), 1_700_000_000, 1_700_000_000_000_000, 1_700_000_100_000, 2**63 - 1]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def observer(metrics: Metrics) -> EventObserver:
    return EventObserver(metrics, Tracing("worker", "group"), clock=lambda: 0.0, now=lambda: NOW_S)


def read_metric(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_an_acknowledged_verdict_is_counted_with_its_age(observer: EventObserver, metrics: Metrics) -> None:
    observer.count_verdict(build_verdict(scan="real", check="generated", zoomed=[(0, 0, 9, 9)]), RECORD)
    labels = {"verdict": "generated", "status": "complete", "corrected": "true", "uncertain": "false"}
    assert read_metric(metrics, "zoomin_verdicts_total", **labels) == 1
    assert read_metric(metrics, "zoomin_events_total", outcome="verdict") == 1
    assert read_metric(metrics, "zoomin_event_seconds_sum") == 4.0


def test_verdicts_on_repaired_images_are_counted(observer: EventObserver, metrics: Metrics) -> None:
    for repaired in (True, False, None, True):
        observer.count_verdict(build_verdict(repaired=repaired), RECORD)
    assert read_metric(metrics, "zoomin_repaired_images_total") == 2


def test_an_acknowledged_dead_letter_is_counted_by_its_code(observer: EventObserver, metrics: Metrics) -> None:
    observer.count_dead_letter(ImageMissing("gone"))
    assert read_metric(metrics, "zoomin_dead_letters_total", code="image_missing") == 1
    assert read_metric(metrics, "zoomin_events_total", outcome="dead_letter") == 1


def test_each_ignored_entry_is_counted(observer: EventObserver, metrics: Metrics) -> None:
    observer.report_ignored(RECORD, [IgnoredEntry("a tombstone")])
    observer.report_ignored(RECORD, [IgnoredEntry("a folder", (0,)), IgnoredEntry("a folder", (2,))])
    assert read_metric(metrics, "zoomin_events_total", outcome="ignored") == 3


def test_the_queue_counts_in_the_time_of_an_event(observer: EventObserver) -> None:
    assert observer.start_stopwatch(RECORD).read_timing_s() == {"queued": 4.0, "total": 4.0}


@pytest.mark.parametrize("timestamp_ms", ODD_TIMESTAMPS_MS)
def test_an_odd_timestamp_spoils_no_time(observer: EventObserver, metrics: Metrics, timestamp_ms: int) -> None:
    record = build_record({}, timestamp_ms=timestamp_ms)
    observer.count_verdict(build_verdict(), record)
    assert read_metric(metrics, "zoomin_events_total", outcome="verdict") == 1
    assert read_metric(metrics, "zoomin_event_seconds_count") == 0
    assert observer.start_stopwatch(record).read_timing_s() == {"queued": 0.0, "total": 0.0}


def test_no_report_raises(metrics: Metrics) -> None:
    def fail() -> float:
        raise MemoryError

    observer = EventObserver(metrics, Tracing("worker", "group"), now=fail)
    with structlog.testing.capture_logs() as lines:
        observer.count_verdict(build_verdict(), RECORD)
    assert [(line["event"], line["report"]) for line in lines] == [("report_failed", "count_verdict")]
