"""Options of the engine, and vLLM's arguments that follow from them, the checkpoint and the machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline import geometry, machine
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.vllm.parent_watchdog import ParentWatchdog

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs

# Shorter blocks than the CPU build's 128: the prefix cache reuses only whole blocks.
BLOCK_TOKENS = 32
PARENT_WATCHDOG = f"{ParentWatchdog.__module__}.{ParentWatchdog.__qualname__}"
VALUES_PER_PIXEL = 3 * 2  # three channels; Qwen2.5-VL gives its encoder each image as two equal frames
Dtype = Literal["float32", "bfloat16", "float16"]
BYTES_PER_VALUE: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
CACHE_MEMORY_FRACTION = 1 / 8
"""of the machine's memory, at most, for preprocessed images"""
CORES_PER_FRONT = 4
"""a front fills one; the core's process, the worker's own and its decoders need the others"""
MOST_FRONTS = 4


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options that depend on the machine; those that depend on the checkpoint are on its card.

    Two options serve measurements. Without `reuse`, the engine computes everything anew for each query.
    `worker_extension` names a subclass of ParentWatchdog whose methods are added to vLLM's worker.
    """

    dtype: Dtype | Literal["auto"] = "auto"
    max_model_len: int = 4096  # or the checkpoint's own limit, where that is lower
    max_num_seqs: int = 32
    max_in_flight: int = 48  # events whose queries come at once
    processor_cache_mib: int | None = None  # None: computed from max_in_flight
    fronts: int = 1  # processes that feed the core
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    start_timeout_s: float = 1800.0  # of a start to its end: weights, compilation, first queries
    query_timeout_s: float = 120.0
    sleep_mode: bool = False  # lets the engine give the GPU's memory to another for a while
    reuse: bool = True
    worker_extension: str = PARENT_WATCHDOG


@dataclass(frozen=True, slots=True)
class FrontPlace:
    """The place of one front among all, with the addresses where the core expects it."""

    index: int
    input_address: str
    output_address: str


def choose_fronts(cores: int, *, on_cpu: bool) -> int:
    """Return how many fronts feed an engine on a machine of so many cores; one if the model itself runs on them."""
    return 1 if on_cpu else max(1, min(MOST_FRONTS, cores // CORES_PER_FRONT))


def choose_dtype(checkpoint: Checkpoint, *, on_cpu: bool) -> Dtype:
    """Return the dtype that `auto` serves a checkpoint in: one that holds its weights as they were published.

    A CPU computes fastest in float32, which holds every bfloat16. On a GPU weights of float32 stay float32, because a
    cast to bfloat16 would undo small updates.
    """
    config = json.loads((checkpoint.path / "config.json").read_text())
    stored = config.get("dtype") or config.get("torch_dtype")  # the second is of transformers before 5
    return "float32" if on_cpu or stored == "float32" else "bfloat16"


def compute_processor_cache_bytes(
    card: CheckpointCard, options: EngineOptions, *, dtype: Dtype, memory_bytes: int
) -> int:
    """Return the size of the cache of preprocessed images, of all fronts together.

    It holds the view and all crops of every event in flight, so that Query 2 finds the view that Query 1 has left.
    """
    if not options.reuse:
        return 0
    if options.processor_cache_mib is not None:
        return options.processor_cache_mib << 20
    pixels = card.scan_max_pixels + card.max_crops * card.crop_max_pixels
    needed = options.max_in_flight * pixels * VALUES_PER_PIXEL * BYTES_PER_VALUE[dtype]
    return min(needed, int(memory_bytes * CACHE_MEMORY_FRACTION))


def build_arguments(checkpoint: Checkpoint, options: EngineOptions, max_model_len: int) -> "AsyncEngineArgs":
    """Return vLLM's arguments; each process that feeds the core builds them anew."""
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform

    cpu = current_platform.is_cpu()
    card = checkpoint.card
    view = geometry.fit((1, 1), max(card.scan_max_pixels, card.crop_max_pixels), enlarge=True)
    dtype = choose_dtype(checkpoint, on_cpu=cpu) if options.dtype == "auto" else options.dtype
    cache_bytes = compute_processor_cache_bytes(card, options, dtype=dtype, memory_bytes=machine.read_memory_bytes())
    return AsyncEngineArgs(
        model=str(checkpoint.path),
        dtype=dtype,
        max_model_len=max_model_len,
        max_num_seqs=options.max_num_seqs,
        max_num_batched_tokens=4096 if cpu else 8192,
        tensor_parallel_size=options.tensor_parallel_size,
        gpu_memory_utilization=options.gpu_memory_utilization,
        block_size=BLOCK_TOKENS,
        enforce_eager=cpu,  # on a CPU, compiling takes longer than it saves and needs a compiler
        enable_prefix_caching=options.reuse,
        limit_mm_per_prompt={
            "image": {"count": card.max_crops + 1, "width": view[0], "height": view[1]},
            "video": 0,
        },
        mm_processor_cache_gb=cache_bytes / options.fronts / (1 << 30),
        enable_sleep_mode=options.sleep_mode,
        worker_extension_cls=options.worker_extension,
        generation_config="vllm",  # ignore the sampling defaults of the checkpoint
        disable_log_stats=False,
        use_tqdm_on_load=False,
    )
