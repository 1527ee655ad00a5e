from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.bench.run.peak import Peak, read_in_flight
from worker.observe.telemetry import Metrics


def test_a_peak_is_the_highest_of_each_value() -> None:
    peak = Peak()
    peak.note(memory_mib=500, in_flight=3)
    peak.note(memory_mib=400, in_flight=90)
    assert peak == Peak(memory_mib=500, in_flight=90)


def test_events_in_flight_are_read_from_the_page_of_metrics() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.in_flight.set(96)
    assert read_in_flight(generate_latest(metrics.registry).decode()) == 96
