import numpy as np
import pytest

from tests.support.stages import HALF, build_passes
from training.common.resampling import Metric
from training.stages import differences
from training.stages.differences import METRICS, ArmStatistics, Passes


def build(*by_seed: Passes) -> ArmStatistics:
    return ArmStatistics.build(differences.join_seeds(by_seed))


def subtract_acc(arm: list[str], other: list[str]) -> Metric:
    first, second = (
        ArmStatistics.build(differences.join_seeds([build_passes(rights) for rights in seeds]), ["acc"])
        for seeds in (arm, other)
    )
    return first.subtract(second)["acc"]


def test_metrics_of_an_arm() -> None:
    metrics = build(build_passes("1110", "1111", HALF)).estimate()
    assert metrics.keys() == METRICS.keys()
    values = {name: metrics[name].value for name in metrics}
    assert values["acc"] == 0.75
    assert values["acc_annotated"] == 1.0
    assert values["box_gain"] == pytest.approx(-0.25)
    assert values["iou"] == pytest.approx(0.5)
    assert values["i_acc"] == 0
    assert values["c_acc"] == 1.0, "where the right answer is the one that changed"
    assert values["unparsed"] == 0


def test_a_difference_is_paired_and_of_the_same_scenes() -> None:
    better, worse = build(build_passes("1111111100")), build(build_passes("1111000010"))
    added = better.subtract(worse)
    assert added["acc"].value == pytest.approx(0.3)
    assert added["iou"].value == 0
    same = better.subtract(better)["acc"]
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_all_seeds_count() -> None:
    acc = build(build_passes("11"), build_passes("00")).estimate()["acc"]
    assert (acc.value, acc.n) == (0.5, 4)


def test_a_scene_is_drawn_with_its_answers_of_all_seeds() -> None:
    arm, other = "1111111100", "1111000010"
    one, three = subtract_acc([arm], [other]), subtract_acc([arm] * 3, [other] * 3)
    assert (three.value, three.low, three.high) == pytest.approx((one.value, one.low, one.high))
    assert (one.n, three.n) == (10, 30)


def test_the_interval_contains_no_difference_though_seeds_share_their_start() -> None:
    """Scenes and seeds taken as independent would miss zero in 14 runs."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(100):
        start, *arm = ("".join(map(str, rights)) for rights in rng.integers(0, 2, (4, 50)))
        difference = subtract_acc(arm, [start] * 3)
        assert difference.low is not None
        assert difference.high is not None
        missed += not difference.low <= 0 <= difference.high
    assert missed <= 9


def test_readable_scenes_are_those_that_both_read_with_either_crops() -> None:
    joined = [differences.join_seeds([build_passes(*rights)] * 2) for rights in (("1-11", "1110"), ("00-0", "0010"))]
    arm, other = differences.select_readable(*joined)
    assert [p.check_verdict is p.label for p in arm.passes[differences.OWN]] == [True] * 4
    assert [p.check_verdict is p.label for p in other.passes[differences.OWN]] == [False] * 4
    assert len(arm.passes[differences.ANNOTATED]) == len(other.passes[differences.ANNOTATED]) == 4
    assert arm.scenes.tolist() == other.scenes.tolist() == [0, 3, 0, 3]
