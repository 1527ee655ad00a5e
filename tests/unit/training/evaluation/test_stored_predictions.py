from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.stages import build_passes
from training.evaluation import stored_predictions


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    passes, path = build_passes("10-1"), tmp_path / "judged.json"
    stored_predictions.store_predictions(path, passes, "vllm 1")
    assert stored_predictions.read_predictions(path) == (passes, "vllm 1")
    assert [file.name for file in tmp_path.iterdir()] == ["judged.json"]


def test_a_file_of_another_form_is_refused_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "judged.json").write_text("[]")
    with pytest.raises(BadSettings, match=r"judged\.json is not of this version's form; remove it"):
        stored_predictions.read_predictions(tmp_path / "judged.json")
