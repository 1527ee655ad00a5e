from dataclasses import replace

import pytest

from tests.support.stages import PLAN


def test_each_seed_has_its_start_and_then_its_arms() -> None:
    jobs = [(seed, arm) for seed in (0, 2) for arm in ("start", "stage_1", "control")]
    assert PLAN.list_jobs() == jobs


def test_a_plan_is_described_with_every_job_and_its_time() -> None:
    lines = PLAN.describe().splitlines()
    assert lines[0] == "start: zoomin-tiny with noise of 0.4 deviations, a damage that no training makes"
    assert lines[1] == "budget of an arm: 10 steps of 32 answers"
    assert sum(line.startswith("seed ") for line in lines) == 6
    assert lines[-1].startswith("in all about ")
    fine_tuned = replace(PLAN, start=None, minutes=5)
    assert "at most 30 minutes until it is in the window" in fine_tuned.describe()
    assert "at most 5 minutes" in fine_tuned.describe()
    assert fine_tuned.estimate_s("start") > PLAN.estimate_s("start") + 1000


def test_other_arms_and_seeds_belong_to_the_same_run_and_other_sizes_do_not() -> None:
    assert replace(PLAN, arms=("stage_2",), seeds=(1,)).to_json() == PLAN.to_json()
    for other in (replace(PLAN, scenes=21), replace(PLAN, noise=0.3), replace(PLAN, minutes=3.0)):
        assert other.to_json() != PLAN.to_json()


def test_the_time_left_follows_the_pace_of_what_was_not_found_on_disk() -> None:
    estimate = PLAN.estimate_s("stage_1")
    assert PLAN.estimate_left_s(["stage_1"], []) == estimate
    assert PLAN.estimate_left_s(["stage_1"], [("start", 0.01)]) == estimate
    took = [("start", 0.01), ("stage_1", 2 * estimate)]
    assert PLAN.estimate_left_s(["stage_1", "stage_1"], took) == pytest.approx(4 * estimate)
