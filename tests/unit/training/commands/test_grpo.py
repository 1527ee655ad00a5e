import argparse
from pathlib import Path

import pytest

from training.__main__ import main
from training.commands import grpo
from training.grpo.profiles import VALUES


def typed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    grpo.configure(parser)
    return parser.parse_args(["model", "--stage", "1", "--out", "out", *words])


def test_every_value_of_a_profile_can_be_changed_by_hand() -> None:
    untouched = typed()
    assert {getattr(untouched, value.name) for value in VALUES} == {None}
    said = typed(
        "--learning-rate", "2e-5", "--iou-mode", "recall", "--mask-truncated", "--stage-rewards", "iou=1,verdict=.25"
    )
    assert (said.learning_rate, said.iou_mode, said.mask_truncated) == (2e-5, "recall", True)
    assert said.stage_rewards == (("iou", 1.0), ("verdict", 0.25))


def test_help_tells_what_each_profile_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["grpo", "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "largest learning rate (paper 1: 1e-05" in said
    assert "Example: zoomin-train grpo" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--generations", "1"], "generations is 1; answers are compared"),
        (["--stage-rewards", "iuo=1"], "stage_rewards names iuo"),
        ([], "no model in "),
    ],
)
def test_what_cannot_work_is_one_sentence(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grpo", str(tmp_path), "--stage", "1", "--out", str(tmp_path / "out"), *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("zoomin-train grpo: ")
    assert said in told
    assert told.count("\n") == 1


def test_scenes_of_a_seed_are_not_those_of_its_fine_tuning() -> None:
    fine_tuned = 4000  # tiny.Plan.scenes; importing it here would load torch
    assert fine_tuned <= grpo.FIRST_SCENE < grpo.FIRST_SCENE + grpo.SCENES < 100_000
    assert 60 * 100_000 + grpo.FIRST_SCENE + grpo.SCENES < grpo.VALIDATION_SCENE
