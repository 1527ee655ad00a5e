from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from tests.support.stages import RECORD
from training.stages import record


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "models" / "stages.json"
    assert record.read_record(file) is None
    record.write_record(file, RECORD)
    assert record.read_record(file) == RECORD
    assert [path.name for path in file.parent.iterdir()] == ["stages.json"]


def test_a_record_with_more_finished_arms_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    start = RECORD.arms["start"]
    more = RECORD.model_copy(update={"arms": {"start": start.model_copy(update={"seeds": [0, 1]})}})
    record.write_record(file, RECORD)
    record.write_record(file, more)
    with pytest.raises(
        BadSettings, match=r"stages.json has 2 finished arms of all seeds, .* by 1; name another .*--record"
    ):
        record.write_record(file, RECORD)
    assert record.read_record(file) == more


def test_a_record_that_cannot_be_read_is_named_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    file.write_text('{"commit": "abc"}')
    with pytest.raises(BadSettings, match=r"stages.json: date: Field required; correct it or remove the file"):
        record.read_record(file)
