import argparse

import pytest

from training.cli import values
from training.commands import sft
from training.sft.profiles import VALUES


def typed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    sft.configure(parser)
    return parser.parse_args(["model", "--data", "set", "--out", "made", *arguments])


def test_every_value_may_be_changed_and_only_what_was_typed_is_a_change() -> None:
    assert values.changes(typed(), VALUES) == {}
    changed = typed("--lora", "--epochs", "0.5", "--no-checkpointing", "--variant", "one_turn_e")
    assert values.changes(changed, VALUES) == {
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
