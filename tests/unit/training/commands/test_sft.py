import argparse
from pathlib import Path

import pytest

from training.__main__ import main
from training.cli import values
from training.commands import sft
from training.sft.profiles import VALUES


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    sft.configure(parser)
    return parser.parse_args(["model", "--data", "set", "--out", "made", *arguments])


def test_every_value_may_be_changed_and_only_typed_values_are_changes() -> None:
    assert values.read_choice(parse(), VALUES).changes == {}
    arguments = ("--lora", "--epochs", "0.5", "--no-checkpointing", "--variant", "one_turn_e", "--report-to", "wandb")
    assert values.read_choice(parse(*arguments), VALUES).changes == {
        "trained": "lora",
        "epochs": 0.5,
        "checkpointing": False,
        "variant": "one_turn_e",
        "report_to": "wandb",
    }


def test_help_says_where_each_profile_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sft", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "largest learning rate; ten times as large for adapters (paper: 2e-05, production: 1e-05, tiny: 0.0002)" in text
    )
    assert "--config infra/training/sft.yaml" in text


def test_a_wrong_run_file_is_one_sentence_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("epoch: 1\n")
    arguments = ["sft", "model", "--data", "set", "--out", "made", "--config", str(tmp_path / "run.yaml")]
    assert main(arguments) == 2
    sentence = f"zoomin-train sft: {tmp_path / 'run.yaml'}: epoch is not a value of this run; did you mean epochs?\n"
    assert capsys.readouterr().err == sentence


def test_a_dry_run_needs_no_files_and_refuses_what_cannot_fit(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["sft", "7b", "--data", "set", "--out", "out", "--dry-run", "--gpu-memory-gib", "80"]
    assert main([*typed, "--gpus", "1"]) == 2
    refusal = capsys.readouterr().out
    assert "this fits with 20.2 GiB on each GPU and 65.8 GiB of the machine: zoomin-train sft 7b --data set " in refusal
    assert refusal.endswith("--out out --lora\n")
    assert main([*typed, "--gpus", "8", "--lora"]) == 0
    assert "eight_gpus.yaml -m training sft 7b --data set --out out --lora\n" in capsys.readouterr().out
