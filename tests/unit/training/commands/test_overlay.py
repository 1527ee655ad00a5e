from pathlib import Path

import pytest

from training.__main__ import main


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overlay", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("zoomin-train overlay: no model in ")
    assert printed.err.count("\n") == 1


def test_a_directory_without_a_manifest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overlay", "models/zoomin-tiny", "--data", str(tmp_path)]) == 2
    assert "no manifest.jsonl in " in capsys.readouterr().err
