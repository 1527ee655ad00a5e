"""The order of the experiment and what a run finds again; its trainings run in tests/integration."""

import fcntl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from tests.support.stages import PLAN, StandIn
from training.runs.run_log import Line
from training.settings import TrainSettings
from training.stages import experiment
from training.stages.plan import StagesPlan
from training.stages.results_file import StagesResult


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    return TrainSettings(cache=tmp_path / "cache", workers=1)


@pytest.fixture
def plan(tmp_path: Path) -> StagesPlan:
    """A plan whose only arm is trained already."""
    copytree(MODEL, tmp_path / "out" / "seed-0" / "control-60s")
    return replace(PLAN, out=tmp_path / "out", arms=("control",), seeds=(0,), scenes=2, minutes=1.0)


def publish_nothing(_result: StagesResult, _logs: Mapping[str, list[Line]]) -> None:
    pass


def test_the_result_grows_with_each_judged_arm_and_a_second_run_asks_nobody(
    plan: StagesPlan, settings: TrainSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    published: list[StagesResult] = []
    stand_in = StandIn()
    result = experiment.run_experiment(plan, settings, lambda result, _: published.append(result), stand_in)
    assert [list(result.arms) for result in published] == [["start"], ["start", "control"]]
    assert published[-1].arms == result.arms
    assert result.arms["control"].metrics["acc"].n == 2
    assert result.arms["control"].efforts[0].minutes == 1.0
    assert result.plan == plan.to_json()
    assert len(stand_in.served) == 2
    jobs = [line for line in capsys.readouterr().err.splitlines() if " of 2, seed " in line]
    assert [line.partition(": about ")[0] for line in jobs] == ["1 of 2, seed 0, start", "2 of 2, seed 0, control"]
    again, published = StandIn(), []
    assert experiment.run_experiment(plan, settings, lambda result, _: published.append(result), again).arms == (
        result.arms
    )
    assert again.served == []
    assert [list(result.arms) for result in published] == [["start", "control"]] * 2, "never less than is finished"


def test_a_run_with_another_seed_or_arm_adds_to_what_is_finished(plan: StagesPlan, settings: TrainSettings) -> None:
    experiment.run_experiment(plan, settings, publish_nothing, StandIn())
    published: list[StagesResult] = []
    copytree(MODEL, plan.out / "seed-3" / "control-60s")
    other = replace(plan, seeds=(3,))
    experiment.run_experiment(other, settings, lambda result, _: published.append(result), StandIn())
    seeds = [{name: arm.seeds for name, arm in result.arms.items()} for result in published]
    assert seeds == [{"start": [0, 3], "control": [0]}, {"start": [0, 3], "control": [0, 3]}]
    assert published[-1].seeds == [0, 3]
    assert published[-1].arms["control"].efforts[0].minutes == 1.0


def test_an_arm_whose_predictions_are_gone_is_not_finished(plan: StagesPlan, settings: TrainSettings) -> None:
    experiment.run_experiment(plan, settings, publish_nothing, StandIn())
    for file in (plan.out / "predictions").iterdir():
        file.unlink()
    published: list[StagesResult] = []
    again = StandIn()
    experiment.run_experiment(plan, settings, lambda result, _: published.append(result), again)
    assert [list(result.arms) for result in published] == [["start"], ["start", "control"]]
    assert len(again.served) == 2


def test_a_directory_takes_one_run_at_a_time(plan: StagesPlan, settings: TrainSettings) -> None:
    with (plan.out / experiment.LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadSettings, match=r"another run works in .*; wait for it, or name another --out"):
            experiment.run_experiment(plan, settings, publish_nothing, StandIn())


def test_a_control_without_other_arms_needs_a_time(plan: StagesPlan, settings: TrainSettings) -> None:
    with pytest.raises(BadSettings, match="trains for the time of the other arms, and there is none; give --minutes"):
        experiment.run_experiment(replace(plan, minutes=float("inf")), settings, publish_nothing, StandIn())
    assert not (plan.out / experiment.LOCK_NAME).exists()


def test_a_directory_of_other_sizes_is_refused(plan: StagesPlan, settings: TrainSettings) -> None:
    experiment.run_experiment(plan, settings, publish_nothing, StandIn())
    with pytest.raises(BadSettings, match="holds another run"):
        experiment.run_experiment(replace(plan, scenes=3), settings, publish_nothing, StandIn())
