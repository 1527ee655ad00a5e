import pytest

from tests.bench.plan import FULL, PARTS, QUICK, Plan
from tests.bench.run.progress import Progress


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_time_left_is_the_rest_of_this_part_and_all_that_follow() -> None:
    clock = Clock()
    progress = Progress({"own": 60, "gpu": 100, "memory": 200}, clock=clock)
    assert progress.left_s == 360
    clock.now_s += 20
    assert progress.left_s == 340
    progress.begin("gpu")
    clock.now_s += 30
    assert progress.left_s == 270


def test_a_part_that_takes_longer_than_thought_counts_as_nearly_done() -> None:
    clock = Clock()
    progress = Progress({"own": 60, "gpu": 100}, clock=clock)
    clock.now_s += 500
    assert progress.left_s == 100


def test_both_plans_repeat_every_part_three_times_within_their_time() -> None:
    for plan, minutes in ((FULL, 37), (QUICK, 14)):
        assert plan.repeats >= 3
        assert set(plan.estimates_s) == {"prepare", *PARTS}
        assert sum(plan.estimates_s.values()) <= 60 * minutes


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_a_part_alone_gets_only_the_pictures_that_it_meets(plan: Plan) -> None:
    assert plan.count_pictures(["reuse"]) == 0
    assert plan.count_pictures(["photographs"]) < plan.count_pictures(["own"]) <= plan.count_pictures(PARTS)
    assert plan.count_pictures(["memory"]) >= plan.memory_events[-1]
