"""A verb that asks a vLLM engine, as a dry run sees it: `calibrate`, `evaluate`, and the worker itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.prompts import MAX_ANSWER_TOKENS
from pipeline.vllm import options as engine_options
from pipeline.vllm.options import EngineOptions
from training.common.machine import GIB, Gpus
from training.dataset.placement import FULL_MAX_PIXELS
from training.dry_run.host_memory import PROCESS_BYTES
from training.dry_run.shape import ModelShape
from training.dry_run.step import BILLION, DryStep
from training.dry_run.step_memory import MemoryPlan, RunMemory
from training.engine.memory import EngineNeed, EngineSize
from training.runs import row_length

TRAIN_SETTING = "ZOOMIN_TRAIN_TENSOR_PARALLEL_SIZE"
WORKER_SETTING = "ZOOMIN_ENGINE__TENSOR_PARALLEL_SIZE"
CHANNELS = 3


@dataclass(frozen=True, slots=True)
class PlannedEngine:
    """An engine of this shape and these options, spread over the fewest GPUs that hold it, else over the most."""

    shape: ModelShape
    options: EngineOptions
    need: EngineNeed
    budget_bytes: int
    """of each GPU"""

    @classmethod
    def choose(cls, shape: ModelShape, options: EngineOptions, gpus: Gpus) -> "PlannedEngine":
        """Choose the number of GPUs; it is at least the one in the options."""
        size = EngineSize("", shape.config)
        spreads = [n for n in range(options.tensor_parallel_size, gpus.count + 1) if size.heads % n == 0]
        plans = [
            cls(
                shape,
                replace(options, tensor_parallel_size=spread),
                size.estimate_need(options, spread),
                int(options.gpu_memory_utilization * gpus.memory_bytes),
            )
            for spread in spreads or [options.tensor_parallel_size]
        ]
        return next((plan for plan in plans if plan.fits), plans[-1])

    @property
    def spread(self) -> int:
        return self.options.tensor_parallel_size

    @property
    def fits(self) -> bool:
        return self.need.total <= self.budget_bytes

    @property
    def dtype(self) -> engine_options.Dtype:
        """The dtype of the weights as they are served."""
        if self.options.dtype != "auto":
            return self.options.dtype
        return "float32" if str(self.shape.config.dtype) == "torch.float32" else "bfloat16"

    def describe_model(self) -> str:
        parameters = self.shape.count_all_parameters() / BILLION
        place = "whole on one GPU" if self.spread == 1 else f"spread over {self.spread} GPUs"
        return f"{parameters:.2f} billion parameters in {self.dtype}, {place}"

    def describe_cache(self) -> str:
        """Describe how many queries of the longest kind the cache for keys and values holds."""
        length = min(self.options.max_model_len, self.shape.config.text_config.max_position_embeddings)
        left = self.budget_bytes - self.need.total + self.need.cache
        card = self.shape.card
        longest = min(length, row_length.count_row_tokens(card, card.max_crops, MAX_ANSWER_TOKENS))
        queries = int(left / self.need.cache * length / longest)
        most = self.options.max_num_seqs
        outcome = "all of which fit" if queries >= most else "of which the others wait; shorter ones are more"
        return (
            f"the cache for keys and values has {left / GIB:.1f} GiB on each GPU and holds {queries:,} queries of the "
            f"longest kind ({longest:,} tokens) at once; the engine takes {most} at once, {outcome}"
        )

    def estimate_memory(self, host_bytes: int) -> RunMemory:
        """Estimate the engine on each GPU, and in the machine: processes, images in flight, and vLLM's image cache.

        Weights are read from their files page by page, so the machine need not hold them.
        """
        need, options = self.need, self.options
        processes = 2 + (self.spread if self.spread > 1 else 0)  # verb, engine, and one for each of several GPUs
        cache = engine_options.compute_processor_cache_bytes(
            self.shape.card, options, dtype=self.dtype, memory_bytes=host_bytes
        )
        host = {
            "processes": processes * PROCESS_BYTES,
            "images": options.max_in_flight * FULL_MAX_PIXELS * CHANNELS,
            "image cache": cache,
        }
        gpu = {"weights": need.weights, "cache": need.cache, "step": need.step, "reserve": need.reserve}
        return RunMemory(MemoryPlan({"serving": gpu}), MemoryPlan({"serving": host}))


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
    plan = PlannedEngine.choose(shape, options, gpus)
    memory = plan.estimate_memory(gpus.host_bytes)
    return DryStep(
        title=title,
        command=[*([f"{setting}={plan.spread}"] if plan.spread > 1 else []), *words],
        reads=reads,
        writes=writes,
        loads=plan.describe_model(),
        memory=memory,
        gpus_used=plan.spread,
        gpu_limit_bytes=plan.budget_bytes,
        notes=[plan.describe_cache()] if plan.fits else [],
        refusal=_find_refusal(plan, memory, gpus),
    )


def _find_refusal(plan: PlannedEngine, memory: RunMemory, gpus: Gpus) -> str | None:
    if not plan.fits:
        place = "one GPU" if plan.spread == 1 else f"each of {plan.spread} GPUs"
        return (
            f"the engine needs {plan.need} on {place} and may take {plan.budget_bytes / GIB:.1f}, which is "
            f"{plan.options.gpu_memory_utilization:g} of {gpus.memory_bytes / GIB:.1f}; use larger GPUs"
        )
    if memory.host.peak_bytes > gpus.usable_host_bytes:
        return (
            f"the engine needs {memory.host.describe_peak()} of the machine's memory and may take "
            f"{gpus.usable_host_bytes / GIB:.1f} of {gpus.host_bytes / GIB:.1f}; use a larger machine, or have fewer "
            "images in flight at once"
        )
    return None
