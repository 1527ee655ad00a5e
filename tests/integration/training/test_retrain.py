"""The predictions of a night's stages, by the tiny model itself."""

from pathlib import Path

from tests.support.paths import ROOT
from training.retraining.predict_stages import predict_all
from training.retraining.prediction_plan import PredictedSet, PredictionPlan
from training.synthetic import scene_files

TINY = ROOT / "models" / "zoomin-tiny"


def test_each_checkpoint_predicts_the_same_images_once(tmp_path: Path) -> None:
    scene_files.write_scenes(tmp_path / "new", first_seed=0, count=4, workers=1)
    predicted = PredictedSet(name="new", data=tmp_path / "new", count=2, checkpoints=["start", "sft"])
    plan = PredictionPlan(
        checkpoints={"start": TINY, "sft": TINY},
        sets=[predicted],
        directory=tmp_path / "predictions",
        tokens=60,
        threads=1,
    )
    predict_all(plan)
    by_checkpoint = plan.read(predicted)
    assert by_checkpoint["start"] == by_checkpoint["sft"], "they are the same weights"
    assert [each.label for each in by_checkpoint["sft"]] == [entry.label for entry in predicted.list_entries()]
    written = {path: path.stat().st_mtime_ns for path in plan.directory.glob("*.json")}
    assert len(written) == 2
    predict_all(plan)
    assert {path: path.stat().st_mtime_ns for path in plan.directory.glob("*.json")} == written
