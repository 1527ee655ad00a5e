import pytest

from pipeline.errors import ImageMissing
from tests.support.builders import build_record
from tests.support.verdicts import build_verdict
from worker.observe.event_observer import EventObserver
from worker.observe.telemetry import Metrics, Tracing

RECORD = build_record({}, timestamp_ms=1_000)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def observer(metrics: Metrics) -> EventObserver:
    return EventObserver(metrics, Tracing("worker", "group"), clock=lambda: 0.0, now=lambda: 5.0)


def read_metric(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_an_acknowledged_verdict_is_counted_with_its_age(observer: EventObserver, metrics: Metrics) -> None:
    observer.count_verdict(build_verdict(scan="real", check="generated", zoomed=[(0, 0, 9, 9)]), RECORD)
    labels = {"verdict": "generated", "status": "complete", "corrected": "true", "uncertain": "false"}
    assert read_metric(metrics, "zoomin_verdicts_total", **labels) == 1
    assert read_metric(metrics, "zoomin_events_total", outcome="verdict") == 1
    assert read_metric(metrics, "zoomin_event_seconds_sum") == 4.0


def test_an_acknowledged_dead_letter_is_counted_by_its_code(observer: EventObserver, metrics: Metrics) -> None:
    observer.count_dead_letter(ImageMissing("gone"))
    assert read_metric(metrics, "zoomin_dead_letters_total", code="image_missing") == 1
    assert read_metric(metrics, "zoomin_events_total", outcome="dead_letter") == 1


def test_an_ignored_record_is_counted(observer: EventObserver, metrics: Metrics) -> None:
    observer.report_ignored(RECORD)
    assert read_metric(metrics, "zoomin_events_total", outcome="ignored") == 1


def test_the_queue_counts_in_the_time_of_an_event(observer: EventObserver) -> None:
    assert observer.start_stopwatch(RECORD).read_timing_s() == {"queued": 4.0, "total": 4.0}
