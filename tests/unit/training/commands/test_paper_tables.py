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


@pytest.mark.parametrize("text", ["npr.csv", "=npr.csv", "NPR="])
def test_scores_without_name_or_file_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["paper-tables", "--model", "M", "--out", "O", "--scores", text])
    assert ended.value.code == 2
    assert f"write NAME=FILE, not {text!r}" in capsys.readouterr().err


def test_answers_about_other_images_are_refused_before_the_engine_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "npr.csv").write_text("file,p_generated\nphoto.jpg,0.5\n")
    typed = ["paper-tables", "--model", str(MODEL), "--out", str(tmp_path / "out"), "--count", "2"]
    assert main([*typed, "--scores", f"NPR={tmp_path / 'npr.csv'}"]) == 2
    printed = capsys.readouterr().err
    assert "no row is about an image of held-out scenes; its first file is photo.jpg" in printed
    assert "starting the engine" not in printed
