"""Whole runs of fine-tuning: what they leave behind, and how they go on after a kill or on a full disk."""

import json
import os
import resource
import signal
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from tests.support.processes.warm_processes import WarmProcess, WarmServer
from tests.support.training_runs import TIMEOUT_S, TrainingGround, read_log
from training.__main__ import main
from training.dataset import manifest
from training.runs.publishing import digest_entries

pytestmark = pytest.mark.timeout(1200)
STEPS = 12
HALTING = "tests.support.processes.halting_run"


@pytest.fixture(scope="module")
def whole(ground: TrainingGround, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once without a disturbance."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMIN_TRAIN_THREADS", "1")
        assert main(ground.build_arguments(out)) == 0
    return out


def start_halting(warm_server: WarmServer, ground: TrainingGround, out: Path, *, before: str) -> WarmProcess:
    """Start a run that stops itself before it writes the file `before`, however slow the test is."""
    process = warm_server.start(HALTING, before, *ground.build_arguments(out))
    process.wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, TIMEOUT_S)
    return process


def find_changes(before: Path, after: Path) -> set[str]:
    """Return the names of the weights that differ; both checkpoints have the same names."""
    old, new = (load_file(path / "model.safetensors") for path in (before, after))
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


def test_a_run_ends_with_a_checkpoint_and_says_what_it_was(ground: TrainingGround, whole: Path) -> None:
    start, published = Checkpoint.read(ground.model), Checkpoint.read(whole)
    assert published.revision != start.revision
    assert published.card.trained_on == digest_entries(list(manifest.read_manifest(ground.data)))
    assert published.card.box_frame == start.card.box_frame
    config = json.loads((whole / "sft" / "configuration.json").read_text())
    assert (config["values"]["rows"], config["steps"], config["start"]["revision"]) == (2, STEPS, start.revision)
    assert {tensor.dtype for tensor in load_file(whole / "model.safetensors").values()} == {torch.float32}
    assert find_changes(ground.model, whole)
    outcome = json.loads((whole / "sft" / "outcome.json").read_text())
    assert outcome["update"] == {"dtype": "float32", "projection": 1.0, "changed_fraction": 1.0}


def test_each_step_tells_its_rows_and_its_speed(whole: Path) -> None:
    lines = read_log(whole / "sft")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert sorted(number for line in lines[:8] for number in line["rows"]) == list(range(16))
    assert all(line["tokens"] > 0 and line["tokens_per_s"] > 0 for line in lines)
    assert sum(line["loss"] for line in lines[-3:]) < sum(line["loss"] for line in lines[:3])


def test_a_loss_that_is_no_number_ends_the_run_before_it_spoils_a_checkpoint(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--learning-rate", "1e30", "--save-every", "1")) == 1
    output = capsys.readouterr().err
    assert "stays and the same command goes on from there" in output
    assert "start anew with a lower --learning-rate and another --out" in output
    assert main(ground.build_arguments(out, "--learning-rate", "1e-5", "--save-every", "1")) == 2
    assert "name another --out" in capsys.readouterr().err
    weights = list((out / "sft").glob("checkpoint-*/model.safetensors"))
    assert weights
    assert all(bool(tensor.isfinite().all()) for path in weights for tensor in load_file(path).values())


def test_adapters_are_part_of_the_weights_at_the_end(ground: TrainingGround, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--lora", "--epochs", "0.25")) == 0
    changed = find_changes(ground.model, out)
    assert any("q_proj" in name for name in changed)
    assert any("visual.blocks" in name for name in changed)
    assert not any("norm" in name or "embed" in name or "bias" in name for name in changed)


def test_weights_that_prove_no_better_leave_the_start_and_can_be_measured(
    ground: TrainingGround, split_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, refused = tmp_path / "out", tmp_path / "refused"
    decided = ["--kept", "better", "--validation-data", str(split_scenes), "--refused", str(refused)]
    assert main(ground.build_arguments(out, "--epochs", "0.25", *decided)) == 0
    start = Checkpoint.read(ground.model)
    assert Checkpoint.read(out).revision == start.revision
    assert Checkpoint.read(refused).revision != start.revision
    assert "is the start unchanged: no rise of Acc, IoU f1 and BLEU-2 seen" in capsys.readouterr().out
    outcome = json.loads((out / "sft" / "outcome.json").read_text())
    assert (outcome["replaces_start"], outcome["published"]["step"]) == (False, 2)
    assert json.loads((out / "sft" / "configuration.json").read_text())["validation"]["images"] == 2


def test_a_killed_run_goes_on_with_the_same_rows_to_the_same_weights(
    warm_server: WarmServer, ground: TrainingGround, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = start_halting(warm_server, ground, out, before="checkpoint-10/clock.json")
    assert len(read_log(out / "sft")) == 10, "in the second time round"
    process.kill()
    assert not (out / "config.json").exists()
    assert main(ground.build_arguments(out, "--seed", "7")) == 2
    assert "another run that has not ended" in capsys.readouterr().err
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in read_log(out / "sft")] == [line["rows"] for line in read_log(whole / "sft")]
    assert find_changes(whole, out) == set()


def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(
    warm_server: WarmServer, ground: TrainingGround, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_halting(warm_server, ground, out, before="checkpoint-4/clock.json")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(TIMEOUT_S) == 1
    (sentence,) = [line for line in process.errors.splitlines() if line.startswith("zoomin-train")]
    assert "could not be written" in sentence
    assert "make room and run it again" in sentence
    assert "Traceback" not in process.errors
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in read_log(out / "sft")] == [line["rows"] for line in read_log(whole / "sft")]
