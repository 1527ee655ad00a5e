import pytest

from training.__main__ import main


def test_a_seed_whose_scenes_are_held_out_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tiny", "--seed", "61"])
    assert ended.value.code == 2
    assert "scenes of higher numbers are held out" in capsys.readouterr().err
