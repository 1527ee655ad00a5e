"""One row of table 1 from its trainings to the report, as it is typed."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from tests.support.paths import MODEL
from tests.support.processes.warm_processes import WarmServer
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.paper import ablation_results
from training.synthetic import scene_files

TIMEOUT_S = 840.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "set"
    path.mkdir()
    splits = [Split.TRAIN] * 24 + [Split.VALIDATION] * 2 + [Split.TEST] * 5
    entries = [
        scene_files.write_scene(path, seed).model_copy(update={"split": split}) for seed, split in enumerate(splits)
    ]
    (path / entries[-1].file).write_bytes(b"\x89PNG")  # one file of the test split is broken
    (path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    return path


@pytest.mark.timeout(1200)
def test_a_row_is_trained_judged_recorded_and_shown(data: Path, warm_server: WarmServer, tmp_path: Path) -> None:
    model = copytree(MODEL, tmp_path / "models" / "zoomin-tiny")
    options = ["--train", "verdict_only", "--train-data", data, "--steps", "1", "--prompts", "2", "--generations", "4"]
    typed = ["paper-tables", "--model", model, "--out", tmp_path / "out", "--data", data, "--count", "5", *options]
    cache = str(tmp_path / "cache")
    ran = warm_server.start("training", *map(str, typed), ZOOMIN_TRAIN_CACHE=cache)
    assert ran.wait(TIMEOUT_S) == 0, ran.errors
    result = ablation_results.read_results(model.parent / ablation_results.NAME)["verdict_only"]
    assert result.phases == ["SFT in one turn, 1 epoch", "GRPO with verdict, 1 steps of 8 answers"]
    assert (result.figures["acc"].n, result.figures["unparsed"].value) == (4, 0.0)
    phases = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "cache" / "variants").iterdir())
    assert phases == ["sft_one_turn_e", "verdict_alone"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    row = {row["variant"]: row for row in report["table1"]}["verdict_only"]
    assert (row["state"], row["acc"]["value"], row["i_acc"]) == ("recorded", result.figures["acc"].value, None)
    assert report["left_out"]["scenes"]["reasons"] == {"image_undecodable": 1}
    assert "scenes: 1 images cannot be read and are left out (1 image_undecodable: " in ran.output
    answers = [file.read_text().splitlines() for file in (tmp_path / "out" / "answers").iterdir()]
    assert sorted(len([line for line in lines if line]) >= 4 for lines in answers) == [True, True]  # row and model
    assert "GRPO with verdict" in (tmp_path / "out" / "report.html").read_text()
