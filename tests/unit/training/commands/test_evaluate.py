from pathlib import Path

import pytest

from training.__main__ import main


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("zoomin-train evaluate: no model in ")
    assert "name the directory of a Qwen2.5-VL checkpoint" in said.err
    assert said.err.count("\n") == 1
