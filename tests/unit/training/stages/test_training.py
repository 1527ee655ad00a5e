import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from tests.support.stages import PLAN
from training.paper import ablation_run
from training.settings import TrainSettings
from training.stages import training
from training.stages.arms import ARMS, CONTROL, STAGE_1


def train_control(plan_out: Path, grpo_minutes: list[float]) -> training.TrainedArm:
    plan = replace(PLAN, out=plan_out)
    return training.train_arm(
        plan, TrainSettings(), 0, CONTROL, start=Checkpoint.read(MODEL), grpo_minutes=grpo_minutes
    )


def test_a_control_that_is_finished_is_taken_with_its_own_time(tmp_path: Path) -> None:
    copytree(MODEL, tmp_path / "seed-0" / "control-90s")
    trained = train_control(tmp_path, [1.0, 3.0])
    assert trained.checkpoint.path.name == "control-90s"
    assert (trained.effort.minutes, trained.effort.answers) == (1.5, 0)


def test_an_arm_that_is_finished_is_read_with_its_log(tmp_path: Path) -> None:
    plan = replace(PLAN, out=tmp_path, train_scenes=2)
    settings = TrainSettings(cache=tmp_path / "cache", workers=1)
    start = Checkpoint.read(MODEL)
    shared = training.build_ablation_plan(plan, settings, 0, STAGE_1, start)
    with pytest.raises(BadSettings, match="2 images to train on; a step takes 4"):
        training.train_arm(plan, settings, 0, STAGE_1, start=start, grpo_minutes=[])
    directory = ablation_run.locate_phase(shared, start, ARMS[STAGE_1].phases[0])
    copytree(MODEL, directory)
    (directory / "grpo").mkdir()
    line = {"step": 1, "reward": 0.5, "step_s": 30.0}
    (directory / "grpo" / "log.jsonl").write_text(json.dumps(line) + "\n")
    trained = training.train_arm(plan, settings, 0, STAGE_1, start=start, grpo_minutes=[])
    assert (trained.effort.answers, trained.effort.minutes) == (32, 0.5)
    assert trained.logs == {"stage_1": [line]}
