from pathlib import Path

import pytest

from training.__main__ import main


def test_scenes_are_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenes", "--count", "2", "--seed", "4", "--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "manifest.jsonl")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "manifest.jsonl",
        "scene-0000004.png",
        "scene-0000005.png",
    ]


@pytest.mark.parametrize("bad", [["--count", "0"], ["--count", "many"], ["--seed", "-1"]])
def test_bad_numbers_end_with_2(bad: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scenes", "--out", "unused", *bad])
    assert ended.value.code == 2
