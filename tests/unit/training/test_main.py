from pathlib import Path

import pytest

from training.__main__ import main


@pytest.mark.parametrize("verb", ["scenes", "tiny", "evaluate"])
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"Example: zoomin-train {verb}" in capsys.readouterr().out


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("zoomin-train evaluate: no model in ")
    assert "name the directory of a Qwen2.5-VL checkpoint" in said.err
    assert said.err.count("\n") == 1


def test_scenes_are_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenes", "--count", "2", "--seed", "4", "--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "manifest.jsonl")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "manifest.jsonl",
        "scene-0000004.png",
        "scene-0000005.png",
    ]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["scenes", "--count", "2", "--out", str(tmp_path / "file" / "inside")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("bad", [["--count", "0"], ["--count", "many"], ["--seed", "-1"]])
def test_bad_numbers_end_with_2(bad: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scenes", "--out", "unused", *bad])
    assert ended.value.code == 2
