"""Metrics of several loops on one page: every sample gets the topic of its loop as a label."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector


class MetricsByTopic(Collector):
    """Joins the registries of loops that run in one process, by topic."""

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        joined: dict[str, Metric] = {}
        for topic, registry in self._registries.items():
            for family in registry.collect():
                whole = joined.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                whole.samples += [
                    sample._replace(labels={**sample.labels, "topic": topic}) for sample in family.samples
                ]
        yield from joined.values()
