"""A GRPO run that is killed goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import MODEL
from training.__main__ import main
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.runs.run_log import RunLog
from training.synthetic import scene_files

STEPS = 4
SMALL = (
    *("--profile", "tiny", "--steps", str(STEPS), "--prompts", "2", "--generations", "4", "--micro-batch", "4"),
    *("--warm-up-steps", "1", "--learning-rate", "1e-3", "--validation-images", "2", "--save-every", "1"),
)
TIMELESS = ("reward", "r_iou", "grad_norm", "tokens", "learning_rate")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set")
    drawn = [scene_files.write_scene(path, seed) for seed in range(6)]
    splits = [Split.TRAIN] * 4 + [Split.VALIDATION] * 2
    entries = [entry.model_copy(update={"split": split}) for entry, split in zip(drawn, splits, strict=True)]
    (path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    return path


def command(directory: Path, out: Path) -> list[str]:
    return ["grpo", str(MODEL), "--stage", "1", "--data", str(directory), "--out", str(out), *SMALL]


def kill_after(checkpoint: Path, arguments: list[str]) -> None:
    """Starts a run and kills it when `checkpoint` is whole."""
    run = subprocess.Popen([sys.executable, "-m", "training", *arguments], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 200
    try:
        while not (checkpoint / "clock.json").exists():
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < until, "the run wrote no checkpoint"
            time.sleep(0.01)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()


@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_killed_run_goes_on_from_its_last_checkpoint(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill_after(killed / "grpo" / "checkpoint-2", command(directory, killed))
    assert not (killed / "config.json").exists(), "what has not ended is no checkpoint"
    assert main(command(directory, killed)) == 0
    assert "step 1," not in capsys.readouterr().err, "the first steps were not done again"
    assert main(command(directory, whole)) == 0
    resumed, straight = (RunLog(out / "grpo" / "log.jsonl").read() for out in (killed, whole))
    assert [line["step"] for line in resumed] == list(range(1, STEPS + 1))
    for went_on, went_through in zip(resumed, straight, strict=True):
        for name in TIMELESS:
            assert went_on[name] == pytest.approx(went_through[name], rel=1e-3), f"{name} of {went_on['step']}"
    assert (killed / "config.json").exists()
