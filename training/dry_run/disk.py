"""Bytes that a training run writes, and the room that its disk has for them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings
from training.dry_run.activations import FULL, HALF
from training.dry_run.shape import ModelShape
from training.runs import publishing
from training.runs.profiles import TrainingProfile

GB = 10**9
KEPT_CHECKPOINTS = 2
"""`save_total_limit` of the trainer, which deletes the oldest one after it has written the next"""


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """Bytes of one checkpoint that a killed run goes on from, and of the published checkpoint."""

    checkpoint: int
    published: int
    save_every: int

    @property
    def peak_bytes(self) -> int:
        """Return the most that lies on disk at once.

        A third checkpoint is written before the oldest one is deleted, and the published checkpoint is completed beside
        its copy.
        """
        return (KEPT_CHECKPOINTS + 1) * self.checkpoint + 2 * self.published

    def __str__(self) -> str:
        return (
            f"{self.peak_bytes / GB:.0f} GB at most; a checkpoint every {self.save_every} steps takes "
            f"{self.checkpoint / GB:.1f} GB and {KEPT_CHECKPOINTS} are kept, "
            f"the published one {self.published / GB:.1f} GB"
        )


def estimate_disk(shape: ModelShape, profile: TrainingProfile) -> DiskPlan:
    """Estimate the files of a run.

    - checkpoint: trained parameters x (4 of the weight + 8 of AdamW's moments)
    - published: parameters x 2, the dtype of published models, or x 4 with --publish-dtype float32
    Units: bytes.
    """
    counted = shape.count_parameters(profile)
    published = counted.all * (FULL if profile.publish_dtype == "float32" else HALF)
    return DiskPlan(counted.trained * (FULL + 2 * FULL), published, profile.save_every)


def refuse_full_disk(out: Path, planned: DiskPlan) -> None:
    """Refuse a run that the disk of `out` has no room for, unless it goes on there. Raises: BadSettings."""
    if any(out.glob(f"*/{publishing.CONFIGURATION}")):
        return
    parent = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    free = shutil.disk_usage(parent).free
    if free < planned.peak_bytes:
        raise BadSettings(
            f"{parent} has {free / GB:.1f} GB free and the run writes {planned}: name another disk with --out, or "
            "train adapters with --lora"
        )
