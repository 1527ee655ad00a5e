from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from pipeline.errors import BadSettings
from worker.cli.state_file import StateFile


class State(BaseModel):
    model_config = ConfigDict(extra="forbid")
    last: str = ""
    events: dict[str, int] = {}


def open_file(path: Path | None) -> StateFile[State]:
    return StateFile(path, State(), command="zoomin test")


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = open_file(tmp_path / "state.json")
    written.state = State(last="ü\n", events={"s3://b/p": 3})
    written.save()
    assert open_file(tmp_path / "state.json").state == written.state
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_without_a_file_or_a_path_the_state_is_empty(tmp_path: Path) -> None:
    assert open_file(tmp_path / "none").state == State()
    nowhere = open_file(None)
    nowhere.save()
    assert nowhere.state == State()


@pytest.mark.parametrize("text", ["", "[]", '{"mine": 1}', '{"events": {"a": "many"}}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(BadSettings, match="other is no state file of `zoomin test`"):
        open_file(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"missing/state\.json: No such file"):
        open_file(tmp_path / "missing" / "state.json").save()
