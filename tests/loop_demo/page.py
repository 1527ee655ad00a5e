"""The page of a loop: one HTML file with the curve of accuracy, the gate's tables and what was lost, and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.loop_demo.measurement import WINDOW, CurvePoint
from tests.loop_demo.results import LoopDemoResults
from tests.loop_demo.traffic import Kind
from training.gate.table import GateTable
from training.reports.page import HTML_NAME, write_report

TEMPLATE, PACKAGE = "loop.html.jinja", "tests.loop_demo"
WIDTH_PX, HEIGHT_PX = 1060, 300
LOWEST = 0.4
"""accuracy at the foot of the chart"""
TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LABEL_ROWS = 3
"""heights at which the names of markers stand in turn, so that neighbours do not overlap"""


@dataclass(frozen=True, slots=True)
class Marker:
    """An event of the traffic at which something happened."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the page shows. Curves and markers count events; `rate` turns them into minutes."""

    results: LoopDemoResults
    rate: float
    curves: Mapping[Kind, Sequence[CurvePoint]]
    swaps: Sequence[tuple[int, str]]
    markers: Sequence[Marker]
    phases: Mapping[str, Mapping[str, Any]]
    passed: GateTable | None
    """None where the night was not whole"""
    refused: GateTable
    both_models: Mapping[Kind, Mapping[str, float]]
    label_origin: str


def write_page(directory: Path, story: Story) -> Path:
    """Write the page and its JSON, and return the page."""
    last = max(story.results.events, 1)
    numbers = {
        "results": asdict(story.results),
        "rate": story.rate,
        "label_origin": story.label_origin,
        "curves": {kind: [asdict(point) for point in points] for kind, points in story.curves.items()},
        "swaps": [{"number": number, "revision": revision} for number, revision in story.swaps],
        "markers": [asdict(marker) for marker in story.markers],
        "phases": {name: {"seconds": result["seconds"]} for name, result in story.phases.items()},
        "gates": {
            "passed": story.passed.model_dump(mode="json") if story.passed else None,
            "refused": story.refused.model_dump(mode="json"),
        },
        "both_models": story.both_models,
    }
    write_report(
        directory,
        numbers,
        TEMPLATE,
        package=PACKAGE,
        chart={
            "width": WIDTH_PX,
            "height": HEIGHT_PX,
            "ticks": [(tick, _place_y(tick)) for tick in TICKS],
            "window": WINDOW,
        },
        lines={kind: _draw_lines(points, last) for kind, points in story.curves.items()},
        marks=[
            (_place_x(marker.number, last), number % LABEL_ROWS, marker.text)
            for number, marker in enumerate(sorted(story.markers, key=lambda marker: marker.number))
        ],
        minutes=_list_minutes(last, story.rate),
        spans=_list_spans(story.swaps, last),
    )
    return directory / HTML_NAME


def _draw_lines(points: Sequence[CurvePoint], last: int) -> list[list[str]]:
    """Return the places of each line's points: a line ends where the windows of another revision begin."""
    lines: list[list[str]] = []
    for number, point in enumerate(points):
        if number == 0 or point.revision != points[number - 1].revision:
            lines.append([])
        lines[-1].append(f"{_place_x(point.number, last):.1f},{_place_y(point.accuracy):.1f}")
    return lines


def _list_minutes(last: int, rate: float) -> list[tuple[float, int]]:
    """Return the places of whole minutes of traffic, at most some twelve."""
    minutes = int(last / rate / 60)
    step = max(1, -(-minutes // 12))
    return [(_place_x(minute * 60 * rate, last), minute) for minute in range(0, minutes + 1, step)]


def _list_spans(swaps: Sequence[tuple[int, str]], last: int) -> list[tuple[float, float, str]]:
    """Return from where to where each revision answered."""
    ends = [number for number, _ in swaps[1:]] + [last]
    return [
        (_place_x(start, last), _place_x(end, last) - _place_x(start, last), revision)
        for (start, revision), end in zip(swaps, ends, strict=True)
    ]


def _place_x(number: float, last: int) -> float:
    return WIDTH_PX * number / last


def _place_y(accuracy: float) -> float:
    return HEIGHT_PX * (1 - (max(accuracy, LOWEST) - LOWEST) / (1 - LOWEST))
