import argparse
from pathlib import Path

import pytest

from training.cli import values
from training.grpo import profiles as grpo_profiles
from training.sft import profiles as sft_profiles


def read(*words: str) -> values.ProfileChoice:
    parser = argparse.ArgumentParser()
    values.add_profile(parser, grpo_profiles.VALUES, {"tiny": grpo_profiles.PROFILES["tiny", 1]})
    return values.read_choice(parser.parse_args(words), grpo_profiles.VALUES)


def test_only_typed_values_are_changes() -> None:
    assert read().changes == {}
    assert read("--stage-rewards", "iou=1,verdict=.25", "--no-mask-truncated", "--beta", "0").changes == {
        "stage_rewards": (("iou", 1.0), ("verdict", 0.25)),
        "mask_truncated": False,
        "beta": 0.0,
    }
    assert read("--lora").changes == read("--trained", "lora").changes == {"trained": "lora"}


def test_the_profile_is_the_flag_s_or_else_the_file_s_or_else_the_paper_s(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("profile: production\nsteps: 7\n")
    assert read().name == "paper"
    assert (read("--config", str(path)).name, read("--config", str(path)).file.values) == ("production", {"steps": 7})
    assert read("--config", str(path), "--profile", "tiny").name == "tiny"


def test_what_is_no_choice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--loss", "ppo")
    assert "invalid choice" in capsys.readouterr().err


def test_help_shows_each_profile_s_value() -> None:
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=1000))
    values.add_profile(parser, sft_profiles.VALUES, {"tiny": sft_profiles.PROFILES["tiny"]})
    assert "largest learning rate; ten times as large for adapters (tiny: 0.0002)" in parser.format_help()
