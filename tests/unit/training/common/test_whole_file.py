from pathlib import Path

import pytest

from training.common.whole_file import write_whole


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with write_whole(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_earlier_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("earlier")
    with pytest.raises(FileNotFoundError), write_whole(path) as unfinished:
        unfinished.write_bytes((tmp_path / "absent").read_bytes())
    assert path.read_text() == "earlier"
