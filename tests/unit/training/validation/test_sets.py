from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.training_runs import write_split_scenes
from training.dataset import manifest, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.synthetic import scene_files
from training.validation import sets


def write(directory: Path, entries: Sequence[LabeledImage]) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    return directory


def test_a_set_sorted_by_class_is_validated_on_both(tmp_path: Path) -> None:
    training = write_split_scenes(tmp_path / "training", [Split.TRAIN] * 4)
    drawn = write_split_scenes(tmp_path / "validation", [Split.TRAIN] * 4 + [Split.VALIDATION] * 12)
    entries = [entry for entry in manifest.read_manifest(drawn) if entry.split is Split.VALIDATION]
    write(drawn, sorted(entries, key=lambda entry: entry.label))
    learned = list(manifest.read_manifest(training))
    chosen = sets.read_validation_entries(training, learned, drawn, 4)
    assert Counter(entry.label for entry in chosen) == {Verdict.REAL: 2, Verdict.GENERATED: 2}
    assert chosen == sets.read_validation_entries(training, learned, drawn, 4)


def test_nobody_trains_on_what_decides(tmp_path: Path) -> None:
    entries = [LabeledImage(file=f"{split}.png", label=Verdict.REAL, split=split) for split in (*Split, None)]
    write(tmp_path, entries)
    files = {split: [entry.file for entry in splits.read_split(tmp_path, split)] for split in ("train", "validation")}
    assert files == {"train": ["train.png", "None.png"], Split.VALIDATION: ["validation.png", "None.png"]}
    with pytest.raises(BadSettings, match="has no splits; name another set with --validation-data"):
        sets.read_validation_entries(tmp_path, splits.read_split(tmp_path, Split.TRAIN), tmp_path, 4)


def test_held_out_scenes_may_decide_but_not_those_of_an_evaluation(tmp_path: Path) -> None:
    training, decisive = (write(tmp_path / name, []) for name in ("training", "validation"))
    write(decisive, [LabeledImage(file="scene-9000000.png", label=Verdict.REAL)])
    with pytest.raises(BadSettings, match=r"validation holds held-out scenes \(scene-9000000\.png\).*below 9000000"):
        sets.read_validation_entries(training, [LabeledImage(file="scene-1.png", label=Verdict.REAL)], decisive, 4)
    learned = list(manifest.read_manifest(write_split_scenes(training, [Split.TRAIN] * 2)))
    write(decisive, [scene_files.write_scene(decisive, 7_000_000)])
    chosen = sets.read_validation_entries(training, learned, decisive, 4)
    assert [entry.file for entry in chosen] == ["scene-7000000.png"]
