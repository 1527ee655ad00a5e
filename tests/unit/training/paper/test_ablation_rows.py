"""Which rows are trained and judged, and what is kept of them; the trainings themselves run in tests/integration."""

import argparse
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from tests.support.stored_engines import run_on_stand_in
from training.__main__ import main
from training.cli.ablation_options import add_ablation_options, build_ablation_options
from training.engine.run import build_setup
from training.evaluation import samples
from training.paper import ablation_results, ablation_rows
from training.settings import TrainSettings
from training.synthetic import scene_files, scenes

DRAWN = samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(3)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return scene_files.write_scenes(tmp_path / "data", count=2, first_seed=0, workers=1).parent


def train(data: Path, file: Path, *typed: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    add_ablation_options(parser)
    args = parser.parse_args([*typed, "--start", str(MODEL), "--base", str(MODEL), "--train-data", str(data)])
    settings = TrainSettings(cache=data.parent)
    ablation_rows.run_ablations(
        build_ablation_options(args), settings, DRAWN, build_setup(settings), file, run_on_stand_in
    )


def test_a_row_is_kept_with_where_it_comes_from(data: Path, tmp_path: Path) -> None:
    file = tmp_path / ablation_results.NAME
    train(data, file, "--train", "sft", "--seed", "3")
    ((name, row),) = ablation_results.read_results(file).items()
    assert (name, row.seed, row.phases) == ("sft", 3, [])
    assert row.start.startswith("zoomin-tiny, weights sha256:")
    assert row.figures["acc"].n == row.figures["i_acc"].n == len(DRAWN)
    assert row.figures["identity_gap"].value == pytest.approx(0, abs=1e-9)


def test_what_is_missing_is_done_row_by_row_and_what_is_there_stays(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ablation_results.NAME
    train(data, file, "--train", "sft")
    before = ablation_results.read_results(file)["sft"]
    capsys.readouterr()
    with pytest.raises(BadSettings, match="has 2 images to train on"):
        train(data, file, "--train")
    assert set(ablation_results.read_results(file)) == {"base", "sft"}, (
        "the base was done before the row that could not be trained"
    )
    assert ablation_results.read_results(file)["sft"] == before
    printed = capsys.readouterr().err
    assert [line.partition(": ")[0] for line in printed.splitlines() if line.startswith("row ")] == [
        "row 1 of 7, base",
        "row 2 of 7, two_turn",
    ]
    assert " left" in printed
    assert "another budget" not in printed


def test_rows_of_another_seed_are_named_and_stay_until_they_are_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ablation_results.NAME
    train(data, file, "--train", "sft", "base")
    with pytest.raises(BadSettings):
        train(data, file, "--train", "--seed", "1")
    assert "another budget or seed: base, sft; name them after --train" in capsys.readouterr().err
    train(data, file, "--train", "sft", "--seed", "1")
    assert {name: row.seed for name, row in ablation_results.read_results(file).items()} == {"base": 0, "sft": 1}


def test_a_large_model_s_base_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["paper-tables", "--model", str(MODEL), "--out", str(tmp_path), "--count", "1", "--train", "base"]
    data = scene_files.write_scenes(tmp_path / "data", count=2, first_seed=0, workers=1).parent
    assert main([*typed, "--profile", "paper", "--train-data", str(data), "--data", str(data)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "zoomin-train paper-tables: the row base needs the untrained checkpoint; name its directory with --base"
    )


def test_a_row_that_there_is_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["paper-tables", "--model", str(MODEL), "--out", str(tmp_path), "--train", "largest_4"])
    assert "invalid choice: 'largest_4'" in capsys.readouterr().err
