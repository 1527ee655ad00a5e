"""The sizes of a round, and the names of its topics and buckets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

IMAGES, LABELS = "zoomin-images", "zoomin-labels"
TOPICS = {
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.verdicts",
}
DEAD_LETTERS = {"ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.images.dlt"}
SCREENSHOT = "annotator.jpg"
SAMPLING: Mapping[str, str] = {
    "ZOOMIN_SAMPLING__CONTROL_FRACTION": "0.5",
    "ZOOMIN_SAMPLING__CORRECTED_FRACTION": "0.5",
    "ZOOMIN_SAMPLING__LOW_CONFIDENCE_FRACTION": "0.5",
}
"""so many of a few hundred images are cases that an estimate has an interval of use"""


@dataclass(frozen=True, slots=True)
class LabelDemoPlan:
    """`events` scenes, of whose cases `browser` are labeled in a real browser and the others by the oracle."""

    out: Path
    events: int = 200
    browser: int = 10
    error_fraction: float = 0.05
    base: int = 60
    """scenes of the set that labels are mixed with"""
    seed: int = 9_800_000
    worker: tuple[str, ...] = ("worker", "run")
    """the module of the worker, and its arguments"""
