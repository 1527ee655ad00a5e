from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.stages import RESULT
from training.stages import results_file


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "models" / "stages.json"
    assert results_file.read_result(file) is None
    results_file.write_result(file, RESULT)
    assert results_file.read_result(file) == RESULT
    assert [path.name for path in file.parent.iterdir()] == ["stages.json"]


def test_a_result_with_more_finished_arms_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    start = RESULT.arms["start"]
    more = RESULT.model_copy(update={"arms": {"start": start.model_copy(update={"seeds": [0, 1]})}})
    results_file.write_result(file, RESULT)
    results_file.write_result(file, more)
    with pytest.raises(
        BadSettings, match=r"stages.json has 2 finished arms of all seeds, .* by 1; name another .*--results"
    ):
        results_file.write_result(file, RESULT)
    assert results_file.read_result(file) == more


def test_a_result_that_cannot_be_read_is_named_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    file.write_text('{"commit": "abc"}')
    with pytest.raises(BadSettings, match=r"stages.json: date: Field required; correct it or remove the file"):
        results_file.read_result(file)
