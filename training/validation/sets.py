"""The images that decide; no image of the training set is among them."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import BadSettings
from training.dataset import faults, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import samples
from training.synthetic import scene_files, scenes


def read_validation_entries(
    data: Path, entries: Sequence[LabeledImage], validation: Path, count: int
) -> list[LabeledImage]:
    """Read at most `count` images of `validation`, and check them against `entries` of `data`, which are trained on.

    Of a larger set it is a fixed draw with as many images of one class as of the other.
    Scenes may be those that no training sees, but not those that `zoomin-train evaluate` draws.
    Raises: BadSettings when there are none, when either set has faults, or when both hold the same image.
    """
    listed = splits.read_split(validation, Split.VALIDATION)
    validation_entries = samples.draw_balanced(listed, count)
    if not validation_entries:
        raise BadSettings(f"{validation} has no image to validate on; name another with --validation-data")
    if data == validation and {e.file for e in entries} & {e.file for e in validation_entries}:
        raise BadSettings(f"{data} has no splits; name another set with --validation-data")
    scene_files.refuse_held_out(validation, validation_entries, first_seed=scenes.HELD_OUT_SEED)
    faults.refuse_unfit(data, entries)
    faults.refuse_unusable(validation, validation_entries)
    faults.refuse_shared(data, entries, validation, validation_entries)
    return validation_entries
