import argparse
from pathlib import Path

import pytest

from training.__main__ import main
from training.commands import grpo
from training.grpo import profiles
from training.grpo.profiles import VALUES


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    grpo.configure(parser)
    return parser.parse_args(["model", "--stage", "1", "--out", "out", *words])


def test_every_value_of_a_profile_can_be_changed_by_hand() -> None:
    untouched = parse()
    assert {getattr(untouched, value.name) for value in VALUES} == {None}
    message = parse(
        "--learning-rate", "2e-5", "--iou-mode", "recall", "--mask-truncated", "--stage-rewards", "iou=1,verdict=.25"
    )
    assert (message.learning_rate, message.iou_mode, message.mask_truncated) == (2e-5, "recall", True)
    assert message.stage_rewards == (("iou", 1.0), ("verdict", 0.25))


def test_help_tells_what_each_profile_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["grpo", "--help"])
    assert ended.value.code == 0
    message = " ".join(capsys.readouterr().out.split())
    assert "largest learning rate; ten times as large for adapters (paper 1: 1e-05" in message
    assert "--config infra/training/grpo-1.yaml" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--generations", "1"], "generations is 1; it must be 2 or more"),
        (["--stage-rewards", "iuo=1"], "stage_rewards names iuo"),
        ([], "no model in "),
    ],
)
def test_what_cannot_work_is_one_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grpo", str(tmp_path), "--stage", "1", "--out", str(tmp_path / "out"), *words]) == 2
    text = capsys.readouterr().err
    assert text.startswith("zoomin-train grpo: ")
    assert message in text
    assert text.count("\n") == 1


def test_scenes_of_a_seed_are_not_those_of_its_fine_tuning() -> None:
    fine_tuned = 4000  # TinyRun.scenes
    assert fine_tuned <= profiles.FIRST_SCENE < profiles.FIRST_SCENE + profiles.SCENES < 100_000
    assert 60 * 100_000 + profiles.FIRST_SCENE + profiles.SCENES < profiles.VALIDATION_SCENE


def test_a_dry_run_shows_the_engine_beside_the_trainer(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["grpo", "7b", "--stage", "2", "--out", "out", "--profile", "production", "--dry-run"]
    assert main([*typed, "--gpus", "8", "--gpu-memory-gib", "80"]) == 0
    text = capsys.readouterr().out
    assert "-m training grpo 7b --stage 2 --out out --profile production\n" in text
    assert "vLLM beside the trainer: weights on each GPU" in text
