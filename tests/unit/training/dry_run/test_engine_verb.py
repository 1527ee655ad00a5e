from pipeline.vllm.options import EngineOptions
from training.common.machine import GIB, Gpus
from training.dry_run.engine_verb import TRAIN_SETTING, plan_engine_verb
from training.dry_run.shape import ModelShape
from training.dry_run.step import DryStep


def plan(size: str, gpus: Gpus, options: EngineOptions | None = None) -> DryStep:
    return plan_engine_verb(
        "evaluate",
        ["zoomin-train", "evaluate", size],
        ModelShape.read(size),
        options or EngineOptions(),
        gpus,
        setting=TRAIN_SETTING,
        reads=[size],
        writes=[],
    )


def test_a_model_that_fits_one_gpu_stays_there() -> None:
    step = plan("7b", Gpus(8, 80 * GIB))
    assert step.command_line == "zoomin-train evaluate 7b"
    assert step.refusal is None


def test_a_larger_one_is_spread_over_as_few_as_hold_it() -> None:
    step = plan("32b", Gpus(8, 40 * GIB))
    assert step.command[0] == f"{TRAIN_SETTING}=2"
    assert step.refusal is None


def test_more_gpus_are_taken_where_the_setting_says_so() -> None:
    assert plan("7b", Gpus(8, 80 * GIB), EngineOptions(tensor_parallel_size=4)).command[0] == f"{TRAIN_SETTING}=4"


def test_what_no_number_of_gpus_holds_is_refused() -> None:
    refusal = plan("32b", Gpus(1, 24 * GIB)).refusal
    assert refusal is not None
    assert "the engine needs" in refusal
    assert "use larger GPUs" in refusal
