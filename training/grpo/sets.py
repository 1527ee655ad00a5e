"""The two sets of a run: images that are trained on, and images that decide; no image is in both."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import BadSettings
from training.dataset import faults, manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import samples
from training.grpo.profiles import GrpoProfile
from training.grpo.run_config import GrpoRun
from training.synthetic import scene_files, scenes


def read_training_entries(data: Path, profile: GrpoProfile) -> list[LabeledImage]:
    """Read the images that are trained on. Raises: BadSettings for held-out scenes, and for fewer than a step takes."""
    entries = read_split(data, Split.TRAIN)
    scene_files.refuse_held_out(data, entries)
    if len(entries) < profile.prompts:
        raise BadSettings(
            f"{data} has {len(entries)} images to train on; a step takes {profile.prompts}: lower --prompts"
        )
    return entries


def read_validation_entries(run: GrpoRun, entries: Sequence[LabeledImage]) -> list[LabeledImage]:
    """Read the images that decide, and check them against those that are trained on.

    Of a larger set it is a fixed draw with as many images of one class as of the other.
    Scenes may be those that no training sees, but not those that `zoomin-train evaluate` draws.
    Raises: BadSettings when there are none, when either set has faults, or when both hold the same image.
    """
    listed = read_split(run.validation, Split.VALIDATION)
    validation_entries = samples.draw_balanced(listed, run.profile.validation_images)
    if not validation_entries:
        raise BadSettings(f"{run.validation} has no image to validate on; name another with --validation-data")
    if run.data == run.validation and {e.file for e in entries} & {e.file for e in validation_entries}:
        raise BadSettings(f"{run.data} has no splits; name another set with --validation-data")
    scene_files.refuse_held_out(run.validation, validation_entries, first_seed=scenes.HELD_OUT_SEED)
    faults.refuse_unfit(run.data, entries)
    faults.refuse_unusable(run.validation, validation_entries)
    faults.refuse_shared(run.data, entries, run.validation, validation_entries)
    return validation_entries


def read_split(directory: Path, split: Split) -> list[LabeledImage]:
    """Read the images of a set that are of this split, or of none."""
    return [entry for entry in manifest.read_manifest(directory) if entry.split in (None, split)]
