"""The command line of baselines: images out, scores in, and one sentence for what cannot be."""

from pathlib import Path

import pytest

from training.__main__ import main
from training.detectors import score_file
from training.evaluation.perturbations import PERTURBATIONS


def test_images_are_written_and_scored_by_name(tmp_path: Path) -> None:
    images = tmp_path / "images"
    assert main(["baseline", "images", "--count", "2", "--no-copies", "--out", str(images)]) == 0
    names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    folders = ("scenes", "unseen_artifacts", "unseen_grounds")
    assert names == [f"{folder}/scene-900000{n}.png" for folder in folders for n in range(2)]
    trained = str(tmp_path / "npr")
    short = ["--backbone", "resnet18", "--scenes", "2", "--minutes", "0.0001", "--crop-px", "32", "--batch", "2"]
    data = tmp_path / "set"
    assert main(["scenes", "--seed", "0", "--count", "4", "--out", str(data)]) == 0
    assert main(["baseline", "npr", "--data", str(data), "--out", trained, *short]) == 0
    scores = tmp_path / "npr.csv"
    assert main(["baseline", "score", trained, "--data", str(images), "--out", str(scores)]) == 0
    read = score_file.read_scores(scores)
    assert sorted(read.scores) == names
    assert all(score.seconds for score in read.scores.values())
    assert [path.name for path in tmp_path.glob("npr.csv*")] == ["npr.csv"], "the answers as they came are gone"


def test_the_copies_of_table_3_have_folders_of_their_own(tmp_path: Path) -> None:
    assert main(["baseline", "images", "--count", "1", "--out", str(tmp_path)]) == 0
    copies = {f"scenes-{name}{ending}" for name in PERTURBATIONS for ending in ("", "_as_jpeg")}
    assert {path.name for path in tmp_path.iterdir()} == {"scenes", "unseen_artifacts", "unseen_grounds"} | copies


def test_a_directory_without_a_baseline_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["baseline", "score", str(tmp_path), "--data", str(tmp_path), "--out", str(tmp_path / "s.csv")]
    assert main(typed) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("zoomin-train baseline: no trained baseline in ")
    assert printed.count("\n") == 1
