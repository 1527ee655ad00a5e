"""Start of vLLM by the settings, and the reference to its model in each verdict."""

from typing import TYPE_CHECKING

from pipeline import prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.machine import count_cores
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.vllm.options import EngineOptions, choose_fronts
from pipeline.vllm.runtime import is_cpu_build
from pipeline.wire.messages import ModelRef
from worker.common.sections import EngineSettings
from worker.serving.barrier import ServedModel
from worker.serving.supervisor import Engine

if TYPE_CHECKING:
    from pipeline.vllm.engine import VllmEngine


async def start_vllm(checkpoint: Checkpoint, settings: EngineSettings, *, max_in_flight: int) -> Engine:
    """Start vLLM for queries of so many events at once."""
    engine_class = await run_in_abandonable_thread(_import_vllm)
    return await engine_class.start(checkpoint, build_engine_options(settings, max_in_flight=max_in_flight))


def build_engine_options(settings: EngineSettings, *, max_in_flight: int) -> EngineOptions:
    """Take what the settings say; where they are silent, what the machine allows."""
    fronts = settings.fronts or choose_fronts(count_cores(), on_cpu=is_cpu_build())
    return EngineOptions(
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        max_in_flight=max_in_flight,
        processor_cache_mib=settings.processor_cache_mib,
        fronts=min(fronts, max_in_flight),
        tensor_parallel_size=settings.tensor_parallel_size,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        start_timeout_s=settings.start_timeout_s,
        query_timeout_s=settings.query_timeout_s,
    )


def _import_vllm() -> "type[VllmEngine]":
    # Imported here alone: torch and transformers take up to half a minute.
    from pipeline.vllm.engine import VllmEngine

    return VllmEngine


def build_model_ref(checkpoint: Checkpoint, engine: str) -> ModelRef:
    return ModelRef(
        name=checkpoint.name,
        revision=checkpoint.revision,
        prompt_version=PROMPT_VERSION,
        prompt_sha256=prompts.compute_fingerprint(checkpoint.card.box_frame),
        engine=engine,
    )


def build_served_model(checkpoint: Checkpoint, engine: str) -> ServedModel:
    return ServedModel(checkpoint, build_model_ref(checkpoint, engine))
