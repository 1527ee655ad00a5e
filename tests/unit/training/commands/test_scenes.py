from pathlib import Path

import pytest

from tests.support.photographs import load_photograph
from training.__main__ import main


def test_scenes_are_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenes", "--count", "2", "--seed", "4", "--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "manifest.jsonl")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "manifest.jsonl",
        "scene-0000004.png",
        "scene-0000005.png",
    ]


def test_artifacts_are_injected_into_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    load_photograph("aero").save(tmp_path / "mine" / "field.png")
    out = tmp_path / "out"
    assert main(["scenes", "--photographs", str(tmp_path / "mine"), "--count", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(out / "manifest.jsonl")
    assert "pairs of frames: 1; photographs: 1; files left out: none" in printed.err
    assert len(list(out.glob("photo-*.png"))) == 2


def test_a_folder_without_photographs_is_one_sentence_after_the_files_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("none here")
    assert main(["scenes", "--photographs", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("zoomin-train scenes: nothing to inject artifacts into below ")
    assert "1 image_refused" in last
    assert "name a folder of photographs of 384 px a side or more" in last


@pytest.mark.parametrize(
    "bad", [["--count", "0"], ["--count", "many"], ["--seed", "-1"], ["--seed", "1", "--photographs", "."]]
)
def test_bad_numbers_end_with_2(bad: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scenes", "--out", "unused", *bad])
    assert ended.value.code == 2
