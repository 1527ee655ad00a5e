"""A vLLM engine in the processes of training: its length, its spread over GPUs, and whether its share of them suffices.

All of it follows from the checkpoint's configuration and card, so a run that cannot work is refused before anything is
loaded.
"""

import math
from dataclasses import dataclass

from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig

from pipeline import geometry, images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings
from training.common.machine import GIB
from training.grpo.profiles import GrpoProfile
from training.qwen import sizes, tensors

BYTES = 2  # of a number in bfloat16, in which vLLM serves on GPUs
HELD_FRACTION = 0.8
"""of vLLM's share for weights and keys and values of one prompt; activations and CUDA graphs take the rest"""
ASLEEP_BYTES = 2 * GIB
"""that an engine keeps of each GPU while it sleeps: CUDA graphs and buffers; no GPU has confirmed it"""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The size of the engine in each process: GPUs that share its weights, tokens of a prompt with its answer."""

    tensor_parallel_size: int
    max_model_len: int
    gpu_memory_utilization: float
    prompts_at_once: int
    """of the longest with its answer, that the cache for keys and values holds; shorter ones are more"""

    def __str__(self) -> str:
        spread = "on each GPU" if self.tensor_parallel_size == 1 else f"spread over {self.tensor_parallel_size} GPUs"
        return (
            f"weights {spread}, {self.gpu_memory_utilization:.0%} of its memory, "
            f"room for {self.prompts_at_once:,} "
            f"prompts of the longest kind at once ({self.max_model_len:,} tokens with the answer)"
        )


def count_longest_prompt(tokenizer: PreTrainedTokenizerFast, card: CheckpointCard) -> int:
    """Count the tokens of Query 2 with every crop, each picture as large as the card allows."""
    side = geometry.PATCH_MULTIPLE_PX
    pixel = images.build_model_image(Image.new("RGB", (side, side)))  # one token
    query = prompts.build_local_check(pixel, [pixel] * card.max_crops, card.box_frame)
    pictures = card.scan_max_pixels // side**2 + card.max_crops * (card.crop_max_pixels // side**2)
    return len(tensors.Collator(tokenizer).encode_prompt(query)) - len(query.images) + pictures


def plan_engine(
    config: Qwen2_5_VLConfig, longest_prompt: int, profile: GrpoProfile, *, devices: int, gpu_bytes: int
) -> EnginePlan:
    """Plan the engine of a run on `devices` processes, each with a GPU of `gpu_bytes`.

    Raises: BadSettings when the profile's values do not fit the checkpoint or the GPUs.
    """
    needed = longest_prompt + profile.answer_tokens
    length = profile.vllm_max_model_len or needed
    if length < needed:
        raise BadSettings(
            f"vllm_max_model_len is {length}; the longest prompt and its answer need {needed}: take 0, which allows "
            "just these, or lower --answer-tokens"
        )
    weights = BYTES * sizes.count_parameters(config)
    spreads = _list_spreads(config, profile.vllm_tensor_parallel_size, devices)
    prompt_bytes = {spread: length * 2 * BYTES * sizes.count_keys_per_token(config, spread) for spread in spreads}
    sizes_bytes = {spread: weights // spread + prompt_bytes[spread] for spread in spreads}
    held = HELD_FRACTION * profile.vllm_gpu_memory_utilization * gpu_bytes
    fitting = [spread for spread, size in sizes_bytes.items() if size <= held]
    if not fitting:
        raise BadSettings(_explain_shortage(sizes_bytes, held, profile, gpu_bytes))
    spread = fitting[0]
    at_once = int((held - weights // spread) / prompt_bytes[spread])
    return EnginePlan(spread, length, profile.vllm_gpu_memory_utilization, at_once)


def _list_spreads(config: Qwen2_5_VLConfig, wanted: int, devices: int) -> list[int]:
    """Return the numbers of GPUs that the weights can be spread over, the smallest first; `wanted` alone if it is one.

    Raises: BadSettings when `wanted` cannot be.
    """
    heads = sizes.count_shared_heads(config)
    possible = [spread for spread in range(1, devices + 1) if not devices % spread and not heads % spread]
    if wanted and wanted not in possible:
        choices = ", ".join(map(str, possible))
        raise BadSettings(
            f"vllm_tensor_parallel_size is {wanted}; it must divide the {devices} processes of this run and the "
            f"{heads} heads of text and vision: choose one of {choices}, or 0 for the fewest that hold the weights"
        )
    return [wanted] if wanted else possible


def _explain_shortage(sizes_bytes: dict[int, int], held: float, profile: GrpoProfile, gpu_bytes: int) -> str:
    spread, least = min(sizes_bytes.items(), key=lambda item: item[1])
    fraction = math.ceil(100 * least / HELD_FRACTION / gpu_bytes) / 100
    remedy = f"allow {fraction:.2f}" if fraction < 1 else "use larger GPUs"
    return (
        f"vllm_gpu_memory_utilization is {profile.vllm_gpu_memory_utilization:g}; of that share of a GPU's "
        f"{gpu_bytes / GIB:.1f} GiB weights and one prompt may take {held / GIB:.1f}, and over {spread} GPU"
        f"{'s' * (spread > 1)} they take {least / GIB:.1f}: {remedy}, spread them over more, or take "
        "--generation transformers"
    )
