from pathlib import Path

import pytest

from training.__main__ import main


def test_a_seed_whose_scenes_are_held_out_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tiny", "--seed", "61"])
    assert ended.value.code == 2
    assert "scenes of higher numbers are held out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trial"], "--start and --trial are for what comes after fine-tuning; say --to-the-end too"),
        (["--to-the-end", "--trial"], "--trial needs a model that has learned something: name one with --start"),
        (["--to-the-end", "--trial", "--start", "models/zoomin-tiny"], "name a directory beside models/zoomin-tiny"),
        (["--to-the-end", "--start", "nowhere"], "no model in "),
    ],
)
def test_what_cannot_end_well_is_one_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", *words]) == 2
    text = capsys.readouterr().err
    assert text.startswith("zoomin-train tiny: ")
    assert message in text
    assert text.count("\n") == 1


def test_a_wrong_run_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.yaml").write_text("sft_step: 4\n")
    assert main(["tiny", "--config", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")]) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"zoomin-train tiny: {tmp_path / 'tiny.yaml'}: sft_step is not a value")
    assert text.endswith("did you mean sft_steps?\n")
