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
    step = plan("7b", Gpus(8, 80 * GIB, 1024 * GIB))
    assert step.command_line == "zoomin-train evaluate 7b"
    assert step.refusal is None
    assert step.gpus_used == 1
    assert step.loads == "8.29 billion parameters in bfloat16, whole on one GPU"


def test_a_larger_one_is_spread_over_as_few_as_hold_it() -> None:
    step = plan("32b", Gpus(8, 40 * GIB, 1024 * GIB))
    assert step.command[0] == f"{TRAIN_SETTING}=2"
    assert step.refusal is None


def test_more_gpus_are_taken_where_the_setting_says_so() -> None:
    assert (
        plan("7b", Gpus(8, 80 * GIB, 1024 * GIB), EngineOptions(tensor_parallel_size=4)).command[0]
        == f"{TRAIN_SETTING}=4"
    )


def test_what_no_number_of_gpus_holds_is_refused() -> None:
    refusal = plan("32b", Gpus(1, 24 * GIB, 1024 * GIB)).refusal
    assert refusal is not None
    assert "the engine needs" in refusal
    assert "use larger GPUs" in refusal


def test_the_limit_is_the_share_that_the_engine_may_take() -> None:
    step = plan("7b", Gpus(8, 80 * GIB, 1024 * GIB), EngineOptions(gpu_memory_utilization=0.5))
    assert step.gpu_limit_bytes == 40 * GIB


def test_a_note_says_how_many_queries_the_cache_holds() -> None:
    (roomy,) = plan("7b", Gpus(1, 80 * GIB, 128 * GIB)).notes
    assert "holds 453 queries of the longest kind (2,248 tokens) at once" in roomy
    assert roomy.endswith("the engine takes 32 at once, all of which fit")
    (tight,) = plan("32b", Gpus(1, 80 * GIB, 128 * GIB)).notes
    assert "holds 12 queries" in tight
    assert "of which the others wait" in tight


def test_a_machine_without_room_for_processes_and_images_is_refused() -> None:
    refusal = plan("7b", Gpus(1, 80 * GIB, 8 * GIB)).refusal
    assert refusal is not None
    assert "of the machine's memory and may take 7.6 of 8.0; use a larger machine" in refusal
