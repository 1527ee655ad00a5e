import pytest

from tests.support.stages import HALF, build_passes
from training.stages import differences
from training.stages.differences import METRICS, ArmStatistics


def test_metrics_of_an_arm() -> None:
    figures = ArmStatistics.build(build_passes("1110", "1111", HALF)).estimate()
    assert figures.keys() == METRICS.keys()
    values = {name: figures[name].value for name in figures}
    assert values["acc"] == 0.75
    assert values["acc_annotated"] == 1.0
    assert values["box_gain"] == pytest.approx(-0.25)
    assert values["iou"] == pytest.approx(0.5)
    assert values["i_acc"] == 0
    assert values["c_acc"] == 1.0, "where the right answer is the one that changed"
    assert values["unparsed"] == 0


def test_a_difference_is_paired_and_of_the_same_scenes() -> None:
    better, worse = ArmStatistics.build(build_passes("1111111100")), ArmStatistics.build(build_passes("1111000010"))
    added = better.subtract(worse)
    assert added["acc"].value == pytest.approx(0.3)
    assert added["iou"].value == 0
    same = better.subtract(better)["acc"]
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_seeds_stand_one_behind_the_other() -> None:
    joined = differences.join_seeds([build_passes("11"), build_passes("00")])
    assert ArmStatistics.build(joined).estimate()["acc"].value == 0.5
    assert len(joined[differences.ANNOTATED]) == 4


def test_readable_scenes_are_those_that_both_read_with_either_crops() -> None:
    arm, other = differences.select_readable(build_passes("1-11", "1110"), build_passes("00-0", "0010"))
    assert [p.check_verdict is p.label for p in arm[differences.OWN]] == [True, True]
    assert [p.check_verdict is p.label for p in other[differences.OWN]] == [False, False]
    assert len(arm[differences.ANNOTATED]) == len(other[differences.ANNOTATED]) == 2
