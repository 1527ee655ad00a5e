"""Start of vLLM by the settings, and the reference to its model in each verdict."""

from typing import TYPE_CHECKING

from pipeline import prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.wire.messages import ModelRef
from worker.common.sections import EngineSettings
from worker.serving.supervisor import Engine

if TYPE_CHECKING:
    from pipeline.vllm.engine import EngineOptions, VllmEngine


async def start_vllm(checkpoint: Checkpoint, settings: EngineSettings) -> Engine:
    engine_class, options_class = await run_in_abandonable_thread(_import_vllm)
    options = options_class(
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        tensor_parallel_size=settings.tensor_parallel_size,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        query_timeout_s=settings.query_timeout_s,
    )
    return await engine_class.start(checkpoint, options)


def _import_vllm() -> "tuple[type[VllmEngine], type[EngineOptions]]":
    # Imported here alone: torch and transformers take up to half a minute.
    from pipeline.vllm.engine import EngineOptions, VllmEngine

    return VllmEngine, EngineOptions


def build_model_ref(checkpoint: Checkpoint, engine: str) -> ModelRef:
    return ModelRef(
        name=checkpoint.name,
        revision=checkpoint.revision,
        prompt_version=PROMPT_VERSION,
        prompt_sha256=prompts.compute_fingerprint(checkpoint.card.box_frame),
        engine=engine,
    )
