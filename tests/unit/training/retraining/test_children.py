import sys
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.errors import TrainingFailed
from training.retraining.children import CommandRunner, build_words


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def runner(tmp_path: Path, shown: list[str]) -> CommandRunner:
    return CommandRunner(tmp_path / "logs", shown.append)


def build_python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_lines_are_shown_as_they_come_and_the_last_of_stdout_is_kept(
    runner: CommandRunner, shown: list[str], tmp_path: Path
) -> None:
    script = "import sys; print('a'); print('12%', file=sys.stderr); print('99%', file=sys.stderr); print('{}')"
    finished = runner.require("sft", build_python(script))
    assert (finished.status, finished.last_line, shown) == (0, "{}", ["12%", "99%"])
    assert (tmp_path / "logs" / "sft.log").read_text() == "12%\n99%\n"


@pytest.mark.parametrize(("status", "error"), [(2, BadSettings), (1, TrainingFailed)])
def test_a_command_that_fails_is_quoted(status: int, error: type[Exception], runner: CommandRunner) -> None:
    script = f"import sys; print('zoomin-train sft: no row: label more', file=sys.stderr); sys.exit({status})"
    with pytest.raises(error, match=rf"^no row: label more \(exit {status}; .*sft\.log\)"):
        runner.require("sft", build_python(script))


def test_a_killed_command_is_told_too(runner: CommandRunner) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(TrainingFailed, match=r"no word of why \(exit -9"):
        runner.require("sft", build_python(script))


def test_what_cannot_be_shown_ends_the_command(tmp_path: Path) -> None:
    def refuse(_: str) -> None:
        raise KeyboardInterrupt

    script = "import sys, time; print('12%', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        CommandRunner(tmp_path, refuse).run("sft", build_python(script))


def test_a_launcher_stands_before_the_verb() -> None:
    words = build_words(["sft", "M"], ("accelerate", "launch", "--config_file", "gpus.yaml"))
    assert Path(words[0]).name == "accelerate"
    assert Path(words[0]).is_file(), "it is found beside this Python too"
    assert words[1:] == ["launch", "--config_file", "gpus.yaml", "-m", "training", "sft", "M"]
    assert build_words(["sft", "M"]) == [sys.executable, "-m", "training", "sft", "M"]
    with pytest.raises(BadSettings, match="launch: there is no program acelerate"):
        build_words(["sft", "M"], ["acelerate"])
