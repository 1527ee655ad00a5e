"""The sizes of a round, and the names of its topics and buckets."""

from dataclasses import dataclass
from pathlib import Path

IMAGES, LABELS = "zoomin-images", "zoomin-labels"
TOPICS = {
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.verdicts",
}
DEAD_LETTERS = {"ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.images.dlt"}
SCREENSHOT = "annotator.jpg"


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
    sampled_fraction: float = 0.5
    """of all verdicts, and of the corrected and uncertain ones: cases enough for an interval of use"""
    max_in_flight: int = 16
    """events; more than the encoders of cases keep up with would lose some of the sample"""
    worker: tuple[str, ...] = ("worker", "run")
    """the module of the worker, and its arguments"""

    def build_worker_settings(self) -> dict[str, str]:
        """Build the settings that decide which events become cases."""
        strata = ("CONTROL", "CORRECTED", "LOW_CONFIDENCE")
        fractions = {f"ZOOMIN_SAMPLING__{stratum}_FRACTION": str(self.sampled_fraction) for stratum in strata}
        return fractions | {"ZOOMIN_FLOW__MAX_IN_FLIGHT": str(self.max_in_flight)}
