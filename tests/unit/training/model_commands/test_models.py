from pathlib import Path

import pytest

from training.__main__ import main

MODEL = "s3://weights/models/zoomin-7b"
PINNED = f"{MODEL}/revisions/sha256-{'0a' * 32}"


@pytest.mark.parametrize("verb", ["list", "show"])
@pytest.mark.parametrize(
    "address", ["weights", "s3://weights", "s3://weights/models/Zoom In", "s3://w/models/a/revisions/sha256-1"]
)
def test_an_address_that_is_none_shows_how_one_is_written(
    verb: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", verb, address])
    assert ended.value.code == 2
    assert "s3://bucket/models/NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", PINNED], "`models list` is about a whole model"),
        (["push", PINNED, "build/model"], "`models push` is about a whole model"),
        (["prune", PINNED], "`models prune` is about a whole model"),
        (["promote", MODEL, "--reason", "better"], "say which revision of s3://weights/models/zoomin-7b"),
    ],
)
def test_a_verb_says_which_address_it_wants(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["promote", PINNED], ["rollback", MODEL], ["rollback", MODEL, "--reason", " "]])
def test_a_change_of_the_champion_needs_a_reason(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", *words])
    assert "--reason" in capsys.readouterr().err


def test_a_gate_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ("", "passed\n", "[1]", '{"rows": []}'):
        (tmp_path / "gate.json").write_text(content)
        assert main(["models", "push", MODEL, str(tmp_path), "--gate", str(tmp_path / "gate.json")]) == 2
        assert "has no table of a gate" in capsys.readouterr().err
