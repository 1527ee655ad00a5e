"""The choice of a GRPO run, and what it refuses; tests/integration/training/test_grpo_runs.py has whole runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict
from tests.support.paths import MODEL
from tests.support.training_runs import write_split_scenes
from training.dataset import manifest, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation.metrics import Prediction
from training.grpo import profiles as grpo_profiles
from training.grpo import run as grpo_run
from training.grpo.profiles import Stage
from training.grpo.run_config import GrpoRun
from training.runs import publishing
from training.runs.weights import SurvivingUpdate
from training.validation import served
from training.validation.result import summarize_predictions

SMALL: dict[str, Any] = {
    "steps": 2,
    "prompts": 2,
    "generations": 4,
    "micro_batch": 4,
    "warm_up_steps": 1,
    "validation_images": 2,
    "save_every": 1,
}
SURVIVING = SurvivingUpdate("bfloat16", 0.25, 0.1)


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


def write_trained(run: GrpoRun) -> None:
    """Write weights of ones as the run's incomplete checkpoint."""
    model, _ = served.load_model(run.start.path, "bfloat16")
    torch.nn.init.ones_(model.lm_head.weight)
    model.save_pretrained(run.directory / publishing.MADE)
    publishing.complete_checkpoint(run.directory / publishing.MADE, run.start, "sha256:0")


def finish(run: GrpoRun, *, rises: bool) -> grpo_run.GrpoOutcome:
    """Decide on the trained weights, which find all boxes or none of them, and publish."""
    write_trained(run)
    box = BoundingBox(0, 0, 10, 10)
    start = [Prediction(Verdict.REAL, Verdict.REAL, Verdict.REAL, (), (box,))] * 4
    published = [replace(prediction, regions=(box,)) for prediction in start] if rises else start
    return grpo_run._finish_run(run, summarize_predictions(20, start), start, published, SURVIVING)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "model.safetensors")


def test_weights_that_rose_are_published_with_a_card_that_claims_nothing(directory: Path, tmp_path: Path) -> None:
    run = build_run(directory, tmp_path / "out", stage=1)
    outcome = finish(run, rises=True)
    assert outcome.validated.replaces_start
    assert (outcome.trained.step, outcome.trained.iou_f1, outcome.validated.published.iou_f1) == (20, 0.0, 1.0)
    published, before = Checkpoint.read(run.out), Checkpoint.read(MODEL)
    assert published.revision != before.revision
    assert (published.card.metrics, published.card.calibration, published.card.trained_on) == ({}, None, "sha256:0")
    assert published.card.box_frame == before.card.box_frame
    moved = weights(run.out)
    assert moved.keys() == weights(MODEL).keys()
    assert (moved["model.embed_tokens.weight"] == 1).all()
    names = {file.name for file in run.out.iterdir() if file.is_file()}
    assert names == {file.name for file in MODEL.iterdir()} - {"README.md"}
    assert not (run.directory / publishing.MADE).exists()


def test_the_outcome_names_the_metrics_before_and_after_the_cast(directory: Path, tmp_path: Path) -> None:
    run = build_run(directory, tmp_path / "out", stage=1)
    finish(run, rises=True)
    written = json.loads((run.directory / publishing.OUTCOME).read_text())
    assert (written["replaces_start"], written["failed_checks"]) == (True, [])
    assert (written["start"]["iou_f1"], written["trained"]["iou_f1"], written["published"]["iou_f1"]) == (0, 0, 1)
    assert written["differences"]["iou_f1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 4}
    assert written["update"] == {"dtype": "bfloat16", "projection": 0.25, "changed_fraction": 0.1}


def test_the_start_is_published_when_no_rise_was_seen(directory: Path, tmp_path: Path) -> None:
    run = build_run(directory, tmp_path / "out", stage=1)
    outcome = finish(run, rises=False)
    assert not outcome.validated.replaces_start
    assert outcome.validated.decision.failed_checks == ("no rise of IoU f1 seen (+0.0000 [+0.0000, +0.0000])",)
    assert Checkpoint.read(run.out).revision == run.start.revision
    assert Checkpoint.read(run.out).card == run.start.card


def test_the_last_weights_are_published_whatever_they_do_where_the_profile_says_so(
    directory: Path, tmp_path: Path
) -> None:
    run = build_run(directory, tmp_path / "out", stage=1, kept="last")
    outcome = finish(run, rises=False)
    assert outcome.validated.replaces_start
    assert outcome.validated.decision.failed_checks != ()
    assert (weights(run.out)["model.embed_tokens.weight"] == 1).all()


def test_what_was_refused_can_be_measured(directory: Path, tmp_path: Path) -> None:
    run = replace(build_run(directory, tmp_path / "out", stage=1), refused=tmp_path / "refused")
    finish(run, rises=False)
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
    entries = splits.read_split(directory, Split.TRAIN)
    grpo_run._open_run_directory(mine, entries, [])
    grpo_run._open_run_directory(mine, entries, [])
    with pytest.raises(BadSettings, match="another run that has not ended"):
        grpo_run._open_run_directory(other, entries, [])
    with pytest.raises(BadSettings, match="another run that has not ended"):
        grpo_run._open_run_directory(mine, entries[1:], [])
    with pytest.raises(BadSettings, match="another run that has not ended"):
        grpo_run._open_run_directory(mine, entries, entries)


def test_a_set_too_small_for_a_step_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="has 4 images to train on; a step takes 8"):
        grpo_run.run_grpo(build_run(directory, tmp_path, stage=1, prompts=8))
    assert not list(tmp_path.iterdir())


def test_stage_1_trains_where_somebody_drew_and_stage_2_on_verdicts_alone(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(directory))
    bare = [entry.model_copy(update={"boxes": None, "explanations": None, "shown": []}) for entry in entries[:2]]
    manifest.write_manifest(tmp_path, [*bare, *entries[2:]])
    one, two = (build_run(tmp_path, tmp_path / "out", stage=stage) for stage in (1, 2))
    assert grpo_run.read_training_entries(one) == entries[2:4]
    assert "stage 1 trains on 2 images (2 more have a verdict without boxes" in capsys.readouterr().err
    assert grpo_run.read_training_entries(two) == [*bare, *entries[2:4]]
    with pytest.raises(BadSettings, match=r"has 2 images to train on \(2 more have a verdict without boxes"):
        grpo_run.read_training_entries(build_run(tmp_path, tmp_path / "out", stage=1, prompts=4))


def test_held_out_scenes_are_not_trained_on(tmp_path: Path) -> None:
    entries = [LabeledImage(file=f"scene-{seed}.png", label=Verdict.REAL) for seed in (1, 7_000_000)]
    (tmp_path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    run = build_run(tmp_path, tmp_path / "out", stage=1, prompts=1)
    with pytest.raises(BadSettings, match=r"held-out scenes \(scene-7000000\.png\)"):
        grpo_run.read_training_entries(run)


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
