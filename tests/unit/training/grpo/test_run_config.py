from dataclasses import replace
from pathlib import Path

from tests.unit.training.grpo.test_run import build_run
from tests.unit.training.grpo.test_validator import START


def test_everything_of_a_run_lies_below_its_directory() -> None:
    run = build_run(Path("set"), Path("out"), stage=1)
    assert (run.directory, run.locate_weights(20)) == (Path("out/grpo"), Path("out/grpo/weights-20"))


def test_one_turn_is_query_2_without_crops() -> None:
    def is_one_turn(stage: int, box_source: str) -> bool:
        return build_run(Path(), Path(), stage=stage, box_source=box_source).is_one_turn

    assert is_one_turn(2, "none")
    assert not is_one_turn(2, "model")
    assert not is_one_turn(1, "none")


def test_the_last_weights_are_kept_where_the_profile_says_so_and_the_best_ones_else() -> None:
    results = [START, replace(START, step=20, iou_f1=0.8), replace(START, step=40, iou_f1=0.6)]
    assert build_run(Path(), Path(), stage=1, kept="last").choose_result(results).step == 40
    assert build_run(Path(), Path(), stage=1).choose_result(results).step == 20
    assert build_run(Path(), Path(), stage=1).choose_result(results[::2]).step == 0
