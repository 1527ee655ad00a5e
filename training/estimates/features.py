"""The features of a verdict that drift is measured by, each as the bin that a verdict falls in."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent

SOURCE, KEYWORDS, FORMAT = "source", "keywords", "format"
MEGAPIXEL = 1_000_000
NO_SOURCE = "none"


@dataclass(frozen=True, slots=True)
class Feature:
    """One bin for each verdict. `is_rate`: of two bins, `no` and `yes`, whose odds are compared."""

    name: str
    title: str
    find_bin: Callable[[VerdictEvent], str]
    is_rate: bool = False


def _build_edges(edges: Sequence[float], unit: str = "") -> Callable[[float], str]:
    names = [f"below {edges[0]:g}{unit}", *(f"{edge:g}{unit} and more" for edge in edges)]
    return lambda value: names[bisect_right(edges, value)]


_find_probability = _build_edges([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
_find_confidence = _build_edges([0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99])
_find_boxes = _build_edges([1, 2, 3, 4, 5, 7, 10])
_find_area = _build_edges([0.0001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])
_find_size = _build_edges([0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32], " MP")


def _answer(flag: bool) -> str:
    return "yes" if flag else "no"


def measure_boxes_area(event: VerdictEvent) -> float:
    """Measure the share of the image that its boxes cover, counted twice where they overlap, at most 1."""
    area = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (region.box for region in event.scan.regions))
    return min(max(area / max(event.image.width_px * event.image.height_px, 1), 0.0), 1.0)


FEATURES = (
    Feature("p_generated", "P(generated)", lambda event: _find_probability(event.p_generated)),
    Feature("generated", "Verdicts generated", lambda event: _answer(event.verdict is Verdict.GENERATED), is_rate=True),
    Feature("corrected", "Corrected by Query 2", lambda event: _answer(event.corrected), is_rate=True),
    Feature("uncertain", "Uncertain", lambda event: _answer(event.uncertain), is_rate=True),
    Feature("confidence", "Confidence", lambda event: _find_confidence(event.confidence)),
    Feature("boxes", "Boxes per image", lambda event: _find_boxes(len(event.scan.regions))),
    Feature("boxes_area", "Area of the boxes", lambda event: _find_area(measure_boxes_area(event))),
    Feature(FORMAT, "Format", lambda event: event.image.format),
    Feature("size", "Size", lambda event: _find_size(event.image.width_px * event.image.height_px / MEGAPIXEL)),
    Feature(SOURCE, "Source", lambda event: event.source or NO_SOURCE),
)
TITLES = {feature.name: feature.title for feature in FEATURES} | {KEYWORDS: "Keywords of explanations"}
RATES = frozenset(feature.name for feature in FEATURES if feature.is_rate)
