"""What a run of fine-tuning refuses before it trains; tests/integration/training/test_sft_runs.py has whole runs."""

from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.verdict import Verdict
from tests.support.paths import MODEL
from tests.support.training_runs import TrainingGround
from training.__main__ import main
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.sft import run as sft_run
from training.sft.profiles import resolve_sft_profile
from training.sft.run_config import SftRun
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


def test_a_set_of_verdicts_alone_gives_rows(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    bare = [
        LabeledImage(file=str(ground.data / entry.file), label=entry.label)
        for entry in manifest.read_manifest(ground.data)
    ]
    manifest.write_manifest(data, bare)
    resolved = resolve_sft_profile("tiny", {"rows": 2, "micro_batch": 2})
    out = tmp_path / "out"
    run = SftRun(Checkpoint.read(ground.model), resolved, data, out, seed=0, threads=1, validation=data)
    assert len(sft_run._read_training_set(run).prompts) == 2 * len(bare)
    assert "8 of 8 images have no explanation, 8 no drawn boxes" in capsys.readouterr().err


def test_a_set_with_fewer_rows_than_a_step_takes_is_refused(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*ground.build_arguments(tmp_path / "out"), "--rows", "32", "--micro-batch", "4"]
    assert main(arguments) == 2
    assert "gives 16 rows to train on (8 images); a step takes 32: label more images" in capsys.readouterr().err


def test_scenes_that_an_evaluation_draws_are_not_trained_on(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(ground.data))
    manifest.write_manifest(tmp_path, [*entries, entries[0].model_copy(update={"file": "scene-9000000.png"})])
    assert main(TrainingGround(ground.model, tmp_path).build_arguments(tmp_path / "out")) == 2
    assert "holds held-out scenes (scene-9000000.png)" in capsys.readouterr().err
