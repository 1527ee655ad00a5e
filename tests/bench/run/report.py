"""Collects the metrics of one run and writes them for machines."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.run.keys import list_missing
from tests.bench.run.metrics import Metric


class Report:
    """`metrics` are the contract's keys and their like; `details` say where they come from."""

    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}
        self.details: dict[str, object] = {}

    def add(self, name: str, values: Sequence[float]) -> None:
        self.metrics[name] = Metric.summarize(values)

    def detail(self, name: str, readings: Sequence[Mapping[str, float]]) -> None:
        """The same quantities, read once each repeat."""
        names = dict.fromkeys(name for reading in readings for name in reading)
        self.details[name] = {
            key: dataclasses.asdict(Metric.summarize([reading.get(key, 0.0) for reading in readings])) for key in names
        }

    def write(self, path: Path, *, machine: Mapping[str, object], parts: Sequence[str]) -> None:
        """Raises: AssertionError where a part has not reported what other programs read."""
        missing = list_missing(parts, self.metrics)
        assert not missing, f"not reported: {', '.join(missing)}"
        metrics = {name: dataclasses.asdict(metric) for name, metric in self.metrics.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**metrics, "details": self.details, "machine": machine}, indent=2) + "\n")
