import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.bench.run import stages
from worker.observe.telemetry import Metrics


def page(*seconds: tuple[str, float]) -> str:
    """What a worker's /metrics shows after these stages."""
    metrics = Metrics(CollectorRegistry())
    for stage, spent_s in seconds:
        metrics.stage_seconds.labels(stage).observe(spent_s)
    return generate_latest(metrics.registry).decode()


def test_means_are_of_what_came_in_between() -> None:
    before = stages.read(page(("fetch", 9.0)))
    after = stages.read(page(("fetch", 9.0), ("fetch", 0.01), ("fetch", 0.03), ("scan", 0.5)))
    assert stages.means_ms(before, after) == pytest.approx({"fetch": 20, "scan": 500})


def test_a_stage_that_nothing_entered_has_no_mean() -> None:
    reading = stages.read(page(("fetch", 1.0)))
    assert stages.means_ms(reading, reading) == {}
