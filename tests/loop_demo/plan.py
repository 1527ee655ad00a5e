"""The sizes of a loop, and the names of its topics, buckets and model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IMAGES, LABELS, MODELS, SETS = "zoomin-images", "zoomin-labels", "zoomin-models", "zoomin-sets"
MODEL = "zoomin-tiny"
TOPICS = {
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.verdicts",
}
DEAD_LETTERS = {"ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.images.dlt"}
PARTITIONS = 2
RATE = 2.5
"""events a second that two cores judge while they train"""
FEW = "a demo has too few images for it"
# Of about 100 golden and 80 base images: each margin is what a fair challenger shows on so few.
DEMANDS: Mapping[str, Any] = {
    "base_may_fall": 0.1,
    "fpr_may_rise": 0.1,
    "perturbed_may_fall": 0.15,
    "perturbed_images": 60,
    "overlay_images": 40,
    "waive": {
        "random_boxes": FEW,
        "c_acc": FEW,
        "iou": FEW,
        "bleu2": "oracles have other words than the base set",
        "overlay": FEW,
        "latency": "the traffic shares the cores",
    },
}


@dataclass(frozen=True, slots=True)
class NightPlan:
    """A night on two cores: fine-tuning alone. The mappings are values of its configuration and of its gate's."""

    is_whole: bool = True
    """False: snapshot, fine-tuning, push and promotion alone, without the steps that start an engine"""

    base: int = 800
    """scenes of the frozen base set; the first champion knows their kinds"""
    base_share: float = 0.4
    """of each split of the snapshot; sampled cases of known kinds come on top"""
    golden_fraction: float = 0.12
    """of the control sample"""
    least_new_labels: int = 200
    calibration: int = 240
    """scenes that the challenger is calibrated on"""
    evaluated: int = 100
    """test images of the snapshot"""
    sft: Mapping[str, Any] = field(default_factory=lambda: {"epochs": 3.0, "learning_rate": 2e-4})
    demands: Mapping[str, Any] = field(default_factory=lambda: DEMANDS)
    smoke_images: int = 8
    """that the worker asks the new champion about before it serves"""
    expected_s: float = 900.0
    """of the night on two quiet cores, with the traffic beside it"""
    gate_s: float = 120.0
    """of a gate that knows the champion's answers"""
    noise: float = 0.25
    """that damages the challenger which the gate refuses, in deviations of each matrix of its weights"""


@dataclass(frozen=True, slots=True)
class LoopDemoPlan:
    """Traffic of `rate` events a second, from the first event to the last one.

    The first `before` events are of kinds that the model knows. From then on `new_share` of them are of new kinds.
    """

    out: Path
    rate: float = RATE
    before: int = 160
    flooded: int = 700
    """events with new kinds of which labels are taken"""
    after: int = 300
    """events that the new champion answers before it is rolled back"""
    after_rollback: int = 60
    new_share: float = 0.75
    seed: int = 9_800_000
    """first scene of the traffic; no training and no other test draws scenes from here on"""
    sampled_fraction: float = 0.9
    """of all verdicts, and of the corrected and uncertain ones"""
    error_fraction: float = 0.02
    """of the labels"""
    max_in_flight: int = 16
    follow_s: float = 2.0
    has_label_studio: bool = True
    """False: labels are written by the demo itself, as those of an import"""
    worker: tuple[str, ...] = ("worker", "run")
    """the module of the worker, and its arguments"""
    night: NightPlan = field(default_factory=NightPlan)

    def build_worker_settings(self) -> dict[str, str]:
        """Build the settings by which the worker follows the champion, and those that decide on cases."""
        strata = ("CONTROL", "CORRECTED", "LOW_CONFIDENCE")
        fractions = {f"ZOOMIN_SAMPLING__{stratum}_FRACTION": str(self.sampled_fraction) for stratum in strata}
        return fractions | {
            "ZOOMIN_SAMPLING__DAILY_QUOTA": "0",
            "ZOOMIN_FLOW__MAX_IN_FLIGHT": str(self.max_in_flight),
            "ZOOMIN_ENGINE__MODEL": f"s3://{MODELS}/models/{MODEL}",
            "ZOOMIN_ENGINE__CACHE": str((self.out / "revisions").absolute()),
            "ZOOMIN_ENGINE__FOLLOW_S": str(self.follow_s),
            "ZOOMIN_ENGINE__FOLLOW_SPREAD_S": "1",
        }
