from prometheus_client import CollectorRegistry, generate_latest

from worker.collect.metrics_by_topic import MetricsByTopic
from worker.observe.telemetry import Metrics


def test_samples_of_all_loops_stand_in_one_family_with_their_topic() -> None:
    reviews, deletions, page = Metrics(), Metrics(), CollectorRegistry()
    reviews.events.labels("labeled").inc(3)
    deletions.events.labels("erased").inc()
    deletions.lag.labels("0").set(7)
    page.register(MetricsByTopic({"reviews": reviews.registry, "deletions": deletions.registry}))
    text = generate_latest(page).decode()
    assert text.count("# TYPE zoomin_events_total counter") == 1
    for line in (
        'zoomin_events_total{outcome="labeled",topic="reviews"} 3.0',
        'zoomin_events_total{outcome="erased",topic="deletions"} 1.0',
        'zoomin_lag_records{partition="0",topic="deletions"} 7.0',
    ):
        assert line in text
