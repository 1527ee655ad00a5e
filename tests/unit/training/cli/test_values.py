import argparse

import pytest

from training.cli import values
from training.grpo import profiles as grpo_profiles
from training.sft import profiles as sft_profiles


def typed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    values.add_profile(parser, grpo_profiles.VALUES, {"tiny": grpo_profiles.PROFILES["tiny", 1]})
    return values.changes(parser.parse_args(words), grpo_profiles.VALUES)


def test_only_what_was_typed_is_a_change() -> None:
    assert typed() == {}
    assert typed("--stage-rewards", "iou=1,verdict=.25", "--no-mask-truncated", "--beta", "0") == {
        "stage_rewards": (("iou", 1.0), ("verdict", 0.25)),
        "mask_truncated": False,
        "beta": 0.0,
    }
    assert typed("--lora") == typed("--trained", "lora") == {"trained": "lora"}


def test_what_is_no_choice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--loss", "ppo")
    assert "invalid choice" in capsys.readouterr().err


def test_help_tells_what_stands_where_nothing_is_typed() -> None:
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=1000))
    values.add_profile(parser, sft_profiles.VALUES, {"tiny": sft_profiles.PROFILES["tiny"]})
    said = parser.format_help()
    assert "largest learning rate (tiny: 0.0002)" in said
