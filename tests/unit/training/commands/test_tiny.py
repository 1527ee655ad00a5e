import pytest

from training.__main__ import main


def test_a_seed_whose_scenes_are_held_out_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tiny", "--seed", "61"])
    assert ended.value.code == 2
    assert "scenes of higher numbers are held out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trial"], "--start and --trial are for what comes after fine-tuning; say --to-the-end too"),
        (["--to-the-end", "--trial"], "--trial needs a model that has learned something: name one with --start"),
        (["--to-the-end", "--trial", "--start", "models/zoomin-tiny"], "name a directory beside models/zoomin-tiny"),
        (["--to-the-end", "--start", "nowhere"], "no model in "),
    ],
)
def test_what_cannot_end_well_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiny", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("zoomin-train tiny: ")
    assert said in told
    assert told.count("\n") == 1
