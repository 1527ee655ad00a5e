"""A verb that asks a vLLM engine, as a dry run sees it: `calibrate`, `evaluate`, and the worker itself."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.vllm.options import EngineOptions
from training.common.machine import GIB, Gpus
from training.dry_run.shape import ModelShape
from training.dry_run.step import DryStep
from training.dry_run.step_memory import MemoryPlan
from training.engine.memory import EngineNeed, EngineSize

TRAIN_SETTING = "ZOOMIN_TRAIN_TENSOR_PARALLEL_SIZE"
WORKER_SETTING = "ZOOMIN_ENGINE__TENSOR_PARALLEL_SIZE"


def plan_engine_verb(
    title: str,
    words: Sequence[str],
    shape: ModelShape,
    options: EngineOptions,
    gpus: Gpus,
    *,
    setting: str,
    reads: Sequence[str],
    writes: Sequence[str],
) -> DryStep:
    """Plan a verb on the fewest GPUs that hold the model, or on as many as the options say if that is more than one.

    `setting` is the variable that spreads the model. Where the engine does not fit, the step is refused.
    """
    size = EngineSize(title, shape.config)
    budget = options.gpu_memory_utilization * gpus.memory_bytes
    spreads = [n for n in range(options.tensor_parallel_size, gpus.count + 1) if size.heads % n == 0]
    needs = {spread: size.estimate_need(replace(options, tensor_parallel_size=spread), spread) for spread in spreads}
    fitting = [spread for spread, need in needs.items() if need.total <= budget]
    spread = fitting[0] if fitting else max(needs, default=options.tensor_parallel_size)
    need = needs.get(spread) or size.estimate_need(options, spread)
    share = f"{options.gpu_memory_utilization:g} of {gpus.memory_bytes / GIB:.1f} GiB is {budget / GIB:.1f}"
    return DryStep(
        title=title,
        command=[*([f"{setting}={spread}"] if spread > 1 else []), *words],
        reads=reads,
        writes=writes,
        memory=_build_plan(need),
        notes=[f"the engine runs on {'one GPU' if spread == 1 else f'{spread} GPUs'} and may take {share}"],
        refusal=None if fitting else f"the engine needs {need} on each of {spread} GPUs and {share}; use larger GPUs",
    )


def _build_plan(need: EngineNeed) -> MemoryPlan:
    return MemoryPlan(
        {"serving": {"weights": need.weights, "cache": need.cache, "step": need.step, "reserve": need.reserve}}
    )
