from dataclasses import replace
from pathlib import Path

from tests.unit.training.grpo.test_run import plan
from tests.unit.training.grpo.test_validator import START


def test_everything_of_a_run_lies_below_its_directory() -> None:
    made = plan(Path("set"), Path("out"), stage=1)
    assert (made.record, made.weights(20)) == (Path("out/grpo"), Path("out/grpo/weights-20"))


def test_one_turn_is_query_2_without_crops() -> None:
    def asked(stage: int, box_source: str) -> bool:
        return plan(Path(), Path(), stage=stage, box_source=box_source).in_one_turn

    assert asked(2, "none")
    assert not asked(2, "model")
    assert not asked(1, "none")


def test_the_last_weights_are_kept_where_the_profile_says_so_and_the_best_ones_else() -> None:
    results = [START, replace(START, step=20, iou_f1=0.8), replace(START, step=40, iou_f1=0.6)]
    assert plan(Path(), Path(), stage=1, kept="last").chosen(results).step == 40
    assert plan(Path(), Path(), stage=1).chosen(results).step == 20
    assert plan(Path(), Path(), stage=1).chosen(results[::2]).step == 0
