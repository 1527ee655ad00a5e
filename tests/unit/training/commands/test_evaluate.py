import argparse
from pathlib import Path

import pytest

from tests.support.paths import MODEL
from tests.support.photographs import taken
from training.__main__ import main
from training.commands import evaluate
from training.evaluation import summary
from training.settings import TrainSettings


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("zoomin-train evaluate: no model in ")
    assert "name the directory of a Qwen2.5-VL checkpoint" in said.err
    assert said.err.count("\n") == 1


def test_photographs_are_a_set_of_their_own_beside_the_own_one(tmp_path: Path) -> None:
    taken("ascent").save(tmp_path / "stairs.png")
    parser = argparse.ArgumentParser()
    evaluate.configure(parser)
    asked = parser.parse_args([str(MODEL), "--count", "2", "--photographs", str(tmp_path)])
    (own, passes), (planted, others) = evaluate.jobs(asked, TrainSettings(workers=1))
    assert list(passes) == ["own", "random", "annotated"]
    assert list(others) == [summary.PHOTOGRAPHS]
    assert [one.label for one in own] == [one.label for one in planted]
    assert all((one.reference or "").startswith("Crop 1: texture") for one in planted)


def test_a_folder_without_photographs_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(MODEL), "--count", "1", "--photographs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "files left out: none); name a folder of photographs" in said
    assert "starting the engine" not in said
