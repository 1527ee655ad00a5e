"""A run of fine-tuning that is killed, or meets a full disk, goes on as if nothing had happened."""

import resource
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.support.training_runs import TIMEOUT_S, TrainingGround, read_log, wait_until
from training.__main__ import main

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]
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


@pytest.fixture(scope="module")
def whole(ground: TrainingGround, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once without a disturbance."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMIN_TRAIN_THREADS", "1")
        assert main(ground.build_arguments(out)) == 0
    return out


def start_halting(ground: TrainingGround, out: Path, *, before: str) -> subprocess.Popen[str]:
    """Start a run that stops itself before it writes the file `before`, however slow the test is."""
    hook = out.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HALTING.format(file=before))  # Python loads it by itself
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hook))
        process = ground.start(ground.build_arguments(out))
    wait_until(process, lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    return process


def test_a_killed_run_goes_on_with_the_same_rows_to_the_same_weights(
    ground: TrainingGround, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = start_halting(ground, out, before="checkpoint-10/clock.json")
    assert len(read_log(out)) == 10, "in the second time round"
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert not (out / "config.json").exists()
    assert main(ground.build_arguments(out, "--seed", "7")) == 2
    assert "another run that has not ended" in capsys.readouterr().err
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in read_log(out)] == [line["rows"] for line in read_log(whole)]
    resumed, undisturbed = (load_file(path / "model.safetensors") for path in (out, whole))
    assert [name for name in resumed if not torch.equal(resumed[name], undisturbed[name])] == []


def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(
    ground: TrainingGround, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_halting(ground, out, before="checkpoint-4/clock.json")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    (sentence,) = [line for line in errors.splitlines() if line.startswith("zoomin-train")]
    assert "could not be written" in sentence
    assert "make room and run it again" in sentence
    assert "Traceback" not in errors
    assert main(ground.build_arguments(out)) == 0
    assert [line["rows"] for line in read_log(out)] == [line["rows"] for line in read_log(whole)]
