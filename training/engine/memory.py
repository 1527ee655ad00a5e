"""Refuse a model that cannot fit the machine's GPUs or memory before its weights are read, by counting.

The count leaves out what is small or shared, so that it refuses only what cannot work.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from transformers import Qwen2_5_VLConfig

from pipeline import machine as this_machine
from pipeline.errors import BadSettings
from pipeline.vllm.options import BYTES_PER_VALUE, EngineOptions
from training.common.machine import GIB, Machine
from training.qwen import sizes

FULL = 4  # bytes of a number
STEP_TOKENS = 8192
"""that an engine on GPUs takes at once"""
PATCHES_PER_TOKEN = 4
RESERVE_BYTES = GIB
"""of the CUDA context and libraries on each GPU, and of the cache on a CPU"""
SETTING = "ZOOMIN_TRAIN_"


@dataclass(frozen=True, slots=True)
class EngineNeed:
    """Bytes on each GPU: weights, the cache of the longest query, the numbers of one step, and the reserve."""

    weights: int
    cache: int
    step: int
    reserve: int = RESERVE_BYTES

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in asdict(self).items())
        return f"{self.total / GIB:.1f} GiB ({parts})"


@dataclass(frozen=True)
class EngineSize:
    """A model's configuration with the number of its parameters."""

    name: str
    config: Qwen2_5_VLConfig

    @classmethod
    def read(cls, checkpoint: Path) -> "EngineSize":
        """Read the configuration of a checkpoint. Raises: BadSettings when it is not one of Qwen2.5-VL."""
        try:
            config = sizes.load_config(str(checkpoint))
        except (OSError, ValueError, KeyError) as error:
            raise BadSettings(f"{checkpoint / 'config.json'} is not one of Qwen2.5-VL: {error}") from error
        if not isinstance(config, Qwen2_5_VLConfig):
            raise BadSettings(f"{checkpoint / 'config.json'} is of {config.model_type}; name a Qwen2.5-VL checkpoint")
        return cls(checkpoint.name, config)

    @cached_property
    def parameters(self) -> int:
        return sizes.count_parameters(self.config)

    @property
    def heads(self) -> int:
        """The number that `tensor_parallel_size` divides."""
        return sizes.count_shared_heads(self.config)

    def estimate_need(self, options: EngineOptions, gpus: int) -> EngineNeed:
        """Estimate the bytes on each of `gpus` GPUs that share the model."""
        text, vision = self.config.text_config, self.config.vision_config
        value = self._count_value_bytes(options)
        length = min(options.max_model_len, text.max_position_embeddings)
        text_step = STEP_TOKENS * (4 * text.hidden_size + 3 * text.intermediate_size // gpus)
        vision_step = STEP_TOKENS * PATCHES_PER_TOKEN * (4 * vision.hidden_size + 3 * vision.intermediate_size // gpus)
        logits = options.max_num_seqs * text.vocab_size * FULL
        return EngineNeed(
            weights=self.parameters * value // gpus,
            cache=length * 2 * sizes.count_keys_per_token(self.config, gpus) * value,
            step=max(text_step, vision_step) * value + logits,
        )

    def _count_value_bytes(self, options: EngineOptions) -> int:
        """Return the bytes of a number on a GPU, where weights that were published in float32 stay so."""
        is_float32 = str(self.config.dtype) == "torch.float32"
        return BYTES_PER_VALUE[("float32" if is_float32 else "bfloat16") if options.dtype == "auto" else options.dtype]


def refuse_unfit_engine(
    checkpoint: Path, options: EngineOptions, machine: Machine | None = None, memory_bytes: int | None = None
) -> None:
    """Refuse options that the machine's GPUs, or without one its memory, cannot work with. Raises: BadSettings."""
    machine = machine or Machine.read()
    size = EngineSize.read(checkpoint)
    gpus, count = options.tensor_parallel_size, len(machine.devices)
    if gpus > max(1, count):
        raise BadSettings(f"{SETTING}TENSOR_PARALLEL_SIZE is {gpus}, and there are {count} GPUs here; lower it")
    if not machine.devices:
        _refuse_unfit_memory(size, this_machine.read_memory_bytes() if memory_bytes is None else memory_bytes)
        return
    if size.heads % gpus:
        allowed = ", ".join(str(n) for n in range(1, size.heads + 1) if size.heads % n == 0)
        raise BadSettings(
            f"{SETTING}TENSOR_PARALLEL_SIZE is {gpus}; the attention heads of {size.name} can be shared by {allowed}"
        )
    budget = options.gpu_memory_utilization * machine.memory_bytes
    need = size.estimate_need(options, gpus)
    if need.total > budget:
        raise BadSettings(
            f"{size.name} needs {need} on {_count_gpus(gpus)}, and {options.gpu_memory_utilization:g} of "
            f"{machine.memory_gib:.1f} GiB is {budget / GIB:.1f}: {_name_cure(size, options, count, budget)}"
        )


def _name_cure(size: EngineSize, options: EngineOptions, count: int, budget: float) -> str:
    allowed = [n for n in range(options.tensor_parallel_size + 1, count + 1) if size.heads % n == 0]
    for gpus in allowed:
        if size.estimate_need(options, gpus).total <= budget:
            return f"set {SETTING}TENSOR_PARALLEL_SIZE={gpus}"
    return (
        f"use more or larger GPUs ({count} here), raise {SETTING}GPU_MEMORY_UTILIZATION where nothing else runs on "
        f"them, or lower {SETTING}MAX_MODEL_LEN"
    )


def _count_gpus(gpus: int) -> str:
    return "one GPU" if gpus == 1 else f"each of {gpus} GPUs"


def _refuse_unfit_memory(size: EngineSize, memory_bytes: int) -> None:
    needed = size.parameters * FULL + RESERVE_BYTES
    if needed > memory_bytes:
        raise BadSettings(
            f"{size.name} needs {needed / GIB:.1f} GiB of memory without a GPU, and there are "
            f"{memory_bytes / GIB:.1f}: evaluate it on a machine with GPUs"
        )
