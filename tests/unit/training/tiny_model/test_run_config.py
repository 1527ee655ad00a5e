from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadSettings
from training.runs.run_file import read_run_file
from training.tiny_model.run_config import Mix, TinyRun, resolve_tiny_run


def test_a_run_file_comes_before_defaults_and_flags_before_it(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text("minutes: 5\nscenes: 40\nmix:\n  scans: 4\n")
    run = resolve_tiny_run({"minutes": 7.0}, read_run_file(path))
    assert run == TinyRun(minutes=7.0, scenes=40, mix=Mix(scans=4))
    assert resolve_tiny_run({}) == TinyRun()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scnes: 40", "scnes is not a value of this run; did you mean scenes?"),
        ("scenes: 0", "scenes is 0; it must be 1 or more"),
        ("minutes: .nan", "minutes is nan"),
        ("mix: {scan: 4}", "mix.scan is not a value of this run"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings) as refused:
        resolve_tiny_run({}, read_run_file(path))
    assert f"{path}: {message}" in refused.value.detail


def test_runs_of_other_values_have_working_directories_of_their_own() -> None:
    def name(**values: Any) -> str:
        return TinyRun(**values).name

    assert (name(), name(seed=3, minutes=1)) == ("tiny-0", "tiny-3")
    assert name(scenes=40).startswith("tiny-0-")
    assert name(scenes=40) != name(scenes=41)


def test_what_a_run_is_trained_on_has_a_digest() -> None:
    assert TinyRun().digest == TinyRun(minutes=5).digest
    runs = [TinyRun(), TinyRun(seed=1), TinyRun(scenes=8), TinyRun(mix=Mix(scans=4, checks=4))]
    assert len({run.digest for run in runs}) == 4
    assert TinyRun(seed=60).first_scene + TinyRun().scenes < 7_000_000


def test_a_run_may_have_no_limit_of_time() -> None:
    assert resolve_tiny_run({"minutes": float("inf")}).minutes == float("inf")
