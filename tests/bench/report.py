"""Collects the figures of one run and writes them for machines."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.figures import Figure


class Report:
    """`figures` are the contract's keys and their like; `details` say where they come from."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}
        self.details: dict[str, object] = {}

    def add(self, name: str, values: Sequence[float]) -> None:
        self.figures[name] = Figure.of(values)

    def detail(self, name: str, readings: Sequence[Mapping[str, float]]) -> None:
        """The same quantities, read once each repeat."""
        names = dict.fromkeys(name for reading in readings for name in reading)
        self.details[name] = {
            key: dataclasses.asdict(Figure.of([reading.get(key, 0.0) for reading in readings])) for key in names
        }

    def write(self, path: Path, *, machine: Mapping[str, object]) -> None:
        figures = {name: dataclasses.asdict(figure) for name, figure in self.figures.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**figures, "details": self.details, "machine": machine}, indent=2) + "\n")
