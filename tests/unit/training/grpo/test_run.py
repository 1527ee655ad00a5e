"""The choice of a GRPO run, and what it refuses; tests/integration/training/test_grpo_runs.py has whole runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.paths import MODEL
from tests.support.training_runs import write_split_scenes
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.grpo import profiles as grpo_profiles
from training.grpo import run as grpo_run
from training.grpo.profiles import Stage
from training.grpo.run_config import GrpoRun
from training.grpo.validation import ValidationResult
from training.runs import publishing

SMALL: dict[str, Any] = {
    "steps": 2,
    "prompts": 2,
    "generations": 4,
    "micro_batch": 4,
    "warm_up_steps": 1,
    "validation_images": 2,
    "save_every": 1,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_split_scenes(tmp_path_factory.mktemp("set"), [Split.TRAIN] * 4 + [Split.VALIDATION] * 2)


def build_run(directory: Path, out: Path, *, stage: Stage, start: Path = MODEL, **changes: Any) -> GrpoRun:
    return GrpoRun(
        start=Checkpoint.read(start),
        stage=stage,
        resolved=grpo_profiles.resolve_grpo_profile("tiny", stage, SMALL | changes),
        data=directory,
        validation=directory,
        out=out,
        seed=0,
        minutes=float("inf"),
        threads=1,
    )


def decide(run: GrpoRun, results: list[ValidationResult]) -> grpo_run.GrpoOutcome:
    return grpo_run._decide_outcome(run.stage, results, run.choose_result(results))


def finish(run: GrpoRun, outcome: grpo_run.GrpoOutcome) -> None:
    grpo_run._publish_outcome(run, outcome, "sha256:0")
    grpo_run._delete_unfinished_work(run.directory)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "model.safetensors")


def test_the_chosen_weights_are_published_with_a_card_that_claims_nothing(directory: Path, tmp_path: Path) -> None:
    run = build_run(directory, tmp_path / "out", stage=1)
    run.directory.mkdir(parents=True)
    model, _ = grpo_run._load_start(run.start.path, run.profile.dtype)
    torch.nn.init.ones_(model.lm_head.weight)
    model.save_pretrained(run.locate_weights(20))
    start = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.6, iou_f1=0.6, boxes=2, unparsed=0, bleu2=0.5)
    outcome = decide(run, [start, replace(start, step=20, iou_f1=0.7)])
    finish(run, outcome)
    assert (outcome.improved, outcome.chosen.step) == (True, 20)
    published, before = Checkpoint.read(run.out), Checkpoint.read(MODEL)
    assert published.revision != before.revision
    assert (published.card.metrics, published.card.calibration, published.card.trained_on) == ({}, None, "sha256:0")
    assert published.card.box_frame == before.card.box_frame
    moved = weights(run.out)
    assert moved.keys() == weights(MODEL).keys()
    assert {tensor.dtype for tensor in moved.values()} == {torch.bfloat16}
    assert (moved["model.embed_tokens.weight"] == 1).all()
    names = {file.name for file in run.out.iterdir() if file.is_file()}
    assert names == {file.name for file in MODEL.iterdir()} - {"README.md"}
    assert not list(run.directory.glob("weights-*"))


def test_the_start_is_published_when_nothing_improved(directory: Path, tmp_path: Path) -> None:
    run = build_run(directory, tmp_path / "out", stage=1)
    run.directory.mkdir(parents=True)
    start = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.6, iou_f1=0.6, boxes=2, unparsed=0, bleu2=0.5)
    outcome = decide(run, [start, replace(start, step=20)])
    finish(run, outcome)
    assert not outcome.improved
    assert outcome.failed_checks == {20: ["IoU f1 did not rise"]}
    assert Checkpoint.read(run.out).revision == run.start.revision
    assert Checkpoint.read(run.out).card == run.start.card


def test_what_was_refused_can_be_measured(directory: Path, tmp_path: Path) -> None:
    run = replace(build_run(directory, tmp_path / "out", stage=1), refused=tmp_path / "refused")
    run.directory.mkdir(parents=True)
    model, _ = grpo_run._load_start(run.start.path, run.profile.dtype)
    torch.nn.init.ones_(model.lm_head.weight)
    model.save_pretrained(run.locate_weights(40))
    start = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.6, iou_f1=0.6, boxes=2, unparsed=0, bleu2=0.5)
    worse = [replace(start, step=step) for step in (20, 40)]
    finish(run, decide(run, [start, *worse]))
    assert Checkpoint.read(run.out).revision == run.start.revision
    assert Checkpoint.read(tmp_path / "refused").card.trained_on == "sha256:0"
    assert (weights(tmp_path / "refused")["model.embed_tokens.weight"] == 1).all()
    with pytest.raises(BadSettings, match="refused holds a finished checkpoint; name another directory with --refused"):
        grpo_run.run_grpo(replace(run, out=tmp_path / "other"))
    (run.out / "config.json").unlink()  # as if it was killed before its last line
    (run.directory / publishing.CONFIGURATION).write_text("{}")
    with pytest.raises(BadSettings, match="another run that has not ended"):  # and not: finished
        grpo_run.run_grpo(run)


def test_a_finished_directory_and_another_run_s_are_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="holds a finished checkpoint"):
        grpo_run.run_grpo(build_run(directory, MODEL, stage=1))
    mine, other = (build_run(directory, tmp_path, stage=1, learning_rate=rate) for rate in (1e-4, 2e-4))
    mine.directory.mkdir()
    entries = grpo_run.read_split(directory, Split.TRAIN)
    grpo_run._open_run_directory(mine, entries)
    grpo_run._open_run_directory(mine, entries)
    with pytest.raises(BadSettings, match="another run that has not ended"):
        grpo_run._open_run_directory(other, entries)
    with pytest.raises(BadSettings, match="another run that has not ended"):
        grpo_run._open_run_directory(mine, entries[1:])


def test_a_set_too_small_for_a_step_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="has 4 images to train on; a step takes 8"):
        grpo_run.run_grpo(build_run(directory, tmp_path, stage=1, prompts=8))
    assert not list(tmp_path.iterdir())


def test_a_set_of_one_class_is_refused_and_so_is_one_with_faults(directory: Path, tmp_path: Path) -> None:
    entries = [
        entry.model_copy(update={"label": Verdict.REAL, "split": None}) for entry in manifest.read_manifest(directory)
    ]
    (tmp_path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    one_class = replace(build_run(directory, tmp_path / "out", stage=1), data=tmp_path)
    with pytest.raises(BadSettings, match=f"too one-sided to train on: {len(entries)} real, 0 generated"):
        grpo_run.run_grpo(one_class)
    with pytest.raises(BadSettings, match="file_unreadable"):
        grpo_run.run_grpo(replace(one_class, data=directory, validation=tmp_path))
    both = [entry.model_copy(update={"file": str(directory / entry.file)}) for entry in entries]
    (tmp_path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in both))
    with pytest.raises(BadSettings, match=r"\d of \d images of .* are in .* too"):
        grpo_run.run_grpo(replace(one_class, data=directory, validation=tmp_path))
    assert not (tmp_path / "out").exists()


def test_vllm_without_a_gpu_is_refused(directory: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BadSettings, match="vllm_colocate needs a GPU"):
        grpo_run.run_grpo(build_run(directory, tmp_path / "out", stage=1, generation="vllm_colocate"))


def test_nobody_trains_on_what_decides(tmp_path: Path) -> None:
    entries = [LabeledImage(file=f"{split}.png", label=Verdict.REAL, split=split) for split in (*Split, None)]
    (tmp_path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    files = {split: [entry.file for entry in grpo_run.read_split(tmp_path, split)] for split in ("train", "validation")}
    assert files == {"train": ["train.png", "None.png"], Split.VALIDATION: ["validation.png", "None.png"]}
    with pytest.raises(BadSettings, match="has no splits; name another set with --validation-data"):
        grpo_run.run_grpo(build_run(tmp_path, tmp_path / "out", stage=1))
