import argparse

import pytest

from training.commands import sft


def typed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    sft.configure(parser)
    return parser.parse_args(["model", "--data", "set", "--out", "made", *arguments])


def test_every_value_may_be_changed_and_only_what_was_typed_is_a_change() -> None:
    assert sft.changes(typed()) == {}
    assert sft.changes(typed("--lora", "--epochs", "0.5", "--no-checkpointing", "--variant", "one_turn_e")) == {
        "trained": "lora",
        "epochs": 0.5,
        "checkpointing": False,
        "variant": "one_turn_e",
    }


def test_help_says_where_each_profile_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "largest learning rate (paper: 2e-05, production: 1e-05, tiny: 0.0002)" in told
