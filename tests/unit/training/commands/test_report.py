from pathlib import Path

import pytest

from training.__main__ import main


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("zoomin-train report: no model in ")
    assert printed.err.count("\n") == 1
