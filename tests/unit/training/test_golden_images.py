"""No reader of training, validation, calibration or building ever gets a golden image; an evaluation has to ask."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.snapshots import write_base
from training.baselines import calibration, crops
from training.dataset import manifest, sources, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.evaluation import samples

GOLDEN = 12


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of which some images of each class are golden."""
    directory = write_base(tmp_path_factory.mktemp("snapshot"), 40)
    rows = list(manifest.read_manifest(directory))
    golden = [row.model_copy(update={"split": Split.GOLDEN}) for row in rows[:GOLDEN]]
    manifest.write_manifest(directory, [*golden, *rows[GOLDEN:]])
    return directory


def list_split(split: Split) -> Callable[[Path], list[str]]:
    return lambda directory: [image.file for image in splits.read_split(directory, split)]


def list_samples(split: Split) -> Callable[[Path], list[str]]:
    return lambda directory: [truth.file for truth in samples.read_samples(directory, 99, split=split).truths]


def list_source(directory: Path) -> list[str]:
    return [image.file for image in sources.list_images(directory) if isinstance(image, LabeledImage)]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(list_split(Split.TRAIN), id="sft and grpo"),
        pytest.param(list_split(Split.VALIDATION), id="validation"),
        pytest.param(list_samples(Split.VALIDATION), id="calibrate"),
        pytest.param(list_samples(Split.TEST), id="evaluate"),
        pytest.param(lambda directory: [e.file for e in crops.read_training_images(directory).entries], id="baselines"),
        pytest.param(list_source, id="build"),
    ],
)
def test_nothing_that_makes_a_checkpoint_reads_golden_images(read: Callable[[Path], list[str]], snapshot: Path) -> None:
    golden = {row.file for row in manifest.read_manifest(snapshot) if row.split is Split.GOLDEN}
    files = read(snapshot)
    assert files
    assert not golden & set(files)


def test_baselines_calibrate_on_the_validation_split_alone(snapshot: Path) -> None:
    validation = [row for row in manifest.read_manifest(snapshot) if row.split is Split.VALIDATION]
    assert len(calibration.list_calibration_images(snapshot)) == len(validation)


def test_a_build_says_that_it_leaves_golden_images_out(snapshot: Path) -> None:
    reasons = [image.reason for image in sources.list_images(snapshot) if isinstance(image, LeftOut)]
    assert reasons == [sources.GOLDEN] * GOLDEN


def test_an_evaluation_may_ask_for_golden_images(snapshot: Path) -> None:
    assert len(list_samples(Split.GOLDEN)(snapshot)) == GOLDEN
