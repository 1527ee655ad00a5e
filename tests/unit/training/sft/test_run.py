"""What a run of fine-tuning refuses before it trains; tests/integration/training/test_sft_runs.py has whole runs."""

from pathlib import Path

import pytest

from pipeline.verdict import Verdict
from tests.support.paths import MODEL
from tests.support.training_runs import TrainingGround
from training.__main__ import main
from training.dataset import manifest
from training.synthetic import scene_files


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> TrainingGround:
    data = scene_files.write_scenes(tmp_path_factory.mktemp("ground"), count=8, first_seed=40, workers=1).parent
    return TrainingGround(MODEL, data)


def test_a_finished_checkpoint_is_not_trained_over(ground: TrainingGround, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ground.build_arguments(MODEL)) == 2
    assert "holds a finished checkpoint" in capsys.readouterr().err


def test_a_set_of_one_class_is_refused_and_so_is_one_with_faults(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(ground.data))
    given = TrainingGround(ground.model, tmp_path)

    def refuse(images: list[manifest.LabeledImage]) -> str:
        manifest.write_manifest(tmp_path, images)
        assert main(given.build_arguments(tmp_path / "out")) == 2
        return capsys.readouterr().err

    one_class = [entry.model_copy(update={"label": Verdict.REAL}) for entry in entries]
    assert "too one-sided to train on: 8 real, 0 generated; the smaller class needs 20% of all" in refuse(one_class)
    assert "8 of 8 images of" in (output := refuse(entries))
    assert "8 file_unreadable" in output


def test_a_set_that_nobody_explained_is_refused(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    unexplained = [
        entry.model_copy(update={"file": str(ground.data / entry.file), "explanations": None})
        for entry in manifest.read_manifest(ground.data)
    ]
    manifest.write_manifest(data, unexplained)
    assert main(TrainingGround(ground.model, data).build_arguments(tmp_path / "out")) == 2
    assert "8 of 8 images have no explanation" in capsys.readouterr().err


def test_scenes_that_an_evaluation_draws_are_not_trained_on(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(ground.data))
    manifest.write_manifest(tmp_path, [*entries, entries[0].model_copy(update={"file": "scene-9000000.png"})])
    assert main(TrainingGround(ground.model, tmp_path).build_arguments(tmp_path / "out")) == 2
    assert "holds held-out scenes (scene-9000000.png)" in capsys.readouterr().err
