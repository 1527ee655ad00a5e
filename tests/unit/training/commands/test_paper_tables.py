from pathlib import Path

import pytest

from tests.support.paths import MODEL
from training.__main__ import main


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper-tables", "--model", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("zoomin-train paper-tables: no model in ")
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_benchmark_of_another_layout_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["paper-tables", "--model", str(MODEL), "--out", str(tmp_path / "out"), "--genimage", str(tmp_path)]
    assert main(typed) == 2
    printed = capsys.readouterr().err
    assert "is not laid out as published: expected <Generator>/val/" in printed
    assert printed.count("\n") == 1
