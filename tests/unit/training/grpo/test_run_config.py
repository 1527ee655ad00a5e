from pathlib import Path

from tests.unit.training.grpo.test_run import build_run


def test_everything_of_a_run_lies_below_its_directory() -> None:
    run = build_run(Path("set"), Path("out"), stage=1)
    assert (run.directory, run.validation_plan.locate_predictions("step-20")) == (
        Path("out/grpo"),
        Path("out/grpo/predictions-step-20.json"),
    )


def test_one_turn_is_query_2_without_crops() -> None:
    def is_one_turn(stage: int, box_source: str) -> bool:
        return build_run(Path(), Path(), stage=stage, box_source=box_source).is_one_turn

    assert is_one_turn(2, "none")
    assert not is_one_turn(2, "model")
    assert not is_one_turn(1, "none")
