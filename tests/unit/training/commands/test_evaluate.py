from pathlib import Path

import pytest

from tests.support.paths import MODEL
from training.__main__ import main


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("zoomin-train evaluate: no model in ")
    assert "name the directory of a Qwen2.5-VL checkpoint" in printed.err
    assert printed.err.count("\n") == 1


def test_a_folder_without_photographs_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(MODEL), "--count", "1", "--photographs", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert "files left out: none); name a folder of photographs" in printed
    assert "starting the engine" not in printed


def test_a_dry_run_spreads_a_large_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "32b", "--dry-run", "--gpus", "4", "--gpu-memory-gib", "40"]) == 0
    assert "$ ZOOMIN_TRAIN_TENSOR_PARALLEL_SIZE=2 zoomin-train evaluate 32b\n" in capsys.readouterr().out
