import json
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from pipeline.verdict import Verdict
from tests.support.training_runs import TIMEOUT_S, TrainingGround, wait_until
from training.__main__ import main
from training.dataset import manifest
from training.runs.publishing import digest_entries

STEPS = 12
HALTING = """
import os, signal, sys

def halt(event, arguments):
    if event == "open" and str(arguments[0]).endswith("{file}"):
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(halt)
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> TrainingGround:
    return TrainingGround.build(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")


def log(out: Path) -> list[dict[str, Any]]:
    path = out / "sft" / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def halted(ground: TrainingGround, out: Path, *, before: str) -> subprocess.Popen[str]:
    """A run that has stopped itself where it was about to write this file: however slow we are, it goes no further."""
    hook = out.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HALTING.format(file=before))  # Python loads it by itself
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hook))
        process = ground.start(ground.build_arguments(out))
    wait_until(process, lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    return process


@pytest.fixture(scope="module")
def whole(ground: TrainingGround, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMIN_TRAIN_THREADS", "1")
        assert main(ground.build_arguments(out)) == 0
    return out


def test_a_run_ends_with_a_checkpoint_and_says_what_it_was(ground: TrainingGround, whole: Path) -> None:
    start, made = Checkpoint.read(ground.model), Checkpoint.read(whole)
    assert made.revision != start.revision
    assert made.card.trained_on == digest_entries(list(manifest.read_manifest(ground.data)))
    assert made.card.box_frame == start.card.box_frame
    said = json.loads((whole / "sft" / "configuration.json").read_text())
    assert (said["values"]["rows"], said["steps"], said["start"]["revision"]) == (2, STEPS, start.revision)
    before, after = (load_file(path / "model.safetensors") for path in (ground.model, whole))
    assert {name: tensor.dtype for name, tensor in after.items()} == dict.fromkeys(before, torch.bfloat16)
    assert [name for name in before if not torch.equal(before[name], after[name])]


def test_each_step_tells_its_rows_and_its_speed(whole: Path) -> None:
    lines = log(whole)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert sorted(number for line in lines[:8] for number in line["rows"]) == list(range(16))
    assert all(line["tokens"] > 0 and line["tokens_per_s"] > 0 for line in lines)
    assert sum(line["loss"] for line in lines[-3:]) < sum(line["loss"] for line in lines[:3])


def test_a_finished_checkpoint_is_not_trained_over(
    ground: TrainingGround, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ground.build_arguments(whole)) == 2
    assert "holds a finished checkpoint" in capsys.readouterr().err


def test_a_killed_run_goes_on_with_the_same_rows_to_the_same_weights(
    ground: TrainingGround, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = halted(ground, out, before="checkpoint-10/clock.json")
    assert len(log(out)) == 10, "in the second time round"
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert not (out / "config.json").exists()
    assert main(ground.build_arguments(out, "--seed", "7")) == 2
    assert "another run that has not ended" in capsys.readouterr().err
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in log(out)] == [line["rows"] for line in log(whole)]
    one, other = (load_file(path / "model.safetensors") for path in (out, whole))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(
    ground: TrainingGround, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = halted(ground, out, before="checkpoint-4/clock.json")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    (sentence,) = [line for line in told.splitlines() if line.startswith("zoomin-train")]
    assert "could not be written" in sentence
    assert "make room and run it again" in sentence
    assert "Traceback" not in told
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in log(out)] == [line["rows"] for line in log(whole)]


def test_a_loss_that_is_no_number_ends_the_run_before_it_spoils_a_checkpoint(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--learning-rate", "1e30", "--save-every", "1")) == 1
    told = capsys.readouterr().err
    assert "stays and the same command goes on from there" in told
    assert "start anew with a lower --learning-rate and another --out" in told
    assert main(ground.build_arguments(out, "--learning-rate", "1e-5", "--save-every", "1")) == 2
    assert "name another --out" in capsys.readouterr().err
    weights = list((out / "sft").glob("checkpoint-*/model.safetensors"))
    assert weights
    assert all(bool(tensor.isfinite().all()) for path in weights for tensor in load_file(path).values())


def test_adapters_are_part_of_the_weights_at_the_end(ground: TrainingGround, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--lora", "--epochs", "0.5")) == 0
    before, after = (load_file(path / "model.safetensors") for path in (ground.model, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert any("visual.blocks" in name for name in changed)
    assert not any("norm" in name or "embed" in name or "bias" in name for name in changed)


def test_a_set_of_one_class_is_refused_and_so_is_one_with_faults(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(ground.data))
    given = TrainingGround(ground.model, tmp_path)

    def told(lines: list[manifest.LabeledImage]) -> str:
        (tmp_path / manifest.NAME).write_text("".join(line.model_dump_json() + "\n" for line in lines))
        assert main(given.build_arguments(tmp_path / "out")) == 2
        return capsys.readouterr().err

    one_class = [one.model_copy(update={"label": Verdict.REAL}) for one in entries]
    assert "too one-sided to train on: 8 real, 0 generated; the smaller class needs 20% of all" in told(one_class)
    assert "8 of 8 images of" in (said := told(entries))
    assert "8 file_unreadable" in said


def test_a_set_that_nobody_explained_is_refused(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    unexplained = [
        (one, {"file": str(ground.data / one.file), "explanations": None})
        for one in manifest.read_manifest(ground.data)
    ]
    lines = [one.model_copy(update=fields) for one, fields in unexplained]
    (data / manifest.NAME).write_text("".join(line.model_dump_json() + "\n" for line in lines))
    assert main(TrainingGround(ground.model, data).build_arguments(tmp_path / "out")) == 2
    assert "8 of 8 images have no explanation" in capsys.readouterr().err
