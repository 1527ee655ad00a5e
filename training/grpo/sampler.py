"""The sampler of a GRPO run: transformers, vLLM in the processes of training, or a vLLM server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.grpo import colocation
from training.grpo.profiles import GrpoProfile
from training.validation.greedy import list_forbidden_tokens


@dataclass(frozen=True, slots=True)
class SamplerPlan:
    """The arguments of TRL's trainer for who samples the answers, and a sentence about it."""

    arguments: Mapping[str, Any]
    description: str


def plan_sampler(profile: GrpoProfile, start: Checkpoint, *, devices: int, gpu_bytes: int | None) -> SamplerPlan:
    """Plan the sampler before a model is loaded; `gpu_bytes` is the memory of each device's GPU, None without one.

    Raises: BadSettings when this machine cannot do it.
    """
    tokenizer = AutoTokenizer.from_pretrained(start.path)
    forbidden = list_forbidden_tokens(tokenizer)
    if profile.generation == "transformers":
        return SamplerPlan({"generation_kwargs": {"suppress_tokens": forbidden}}, "answers are sampled by transformers")
    if gpu_bytes is None:
        raise BadSettings(f"{profile.generation} needs a GPU, and there is none; take --generation transformers")
    arguments = {
        "use_vllm": True,
        "vllm_mode": profile.generation.removeprefix("vllm_"),
        "generation_kwargs": {"bad_words": tokenizer.convert_ids_to_tokens(forbidden)},
    }
    if profile.generation == "vllm_server":
        served = {"vllm_server_base_url": profile.server_url}
        return SamplerPlan(arguments | served, f"answers are sampled by the vLLM server at {profile.server_url}")
    engine = _plan_engine(profile, start, tokenizer, devices=devices, gpu_bytes=gpu_bytes)
    colocated = {
        "vllm_tensor_parallel_size": engine.tensor_parallel_size,
        "vllm_max_model_length": engine.max_model_len,
        "vllm_gpu_memory_utilization": engine.gpu_memory_utilization,
        "vllm_enable_sleep_mode": True,  # but for sampling its memory is the trainer's, and at the end validation's
    }
    return SamplerPlan(arguments | colocated, f"answers are sampled by vLLM beside the trainer: {engine}")


def _plan_engine(
    profile: GrpoProfile, start: Checkpoint, tokenizer: PreTrainedTokenizerBase, *, devices: int, gpu_bytes: int
) -> colocation.EnginePlan:
    longest = colocation.count_longest_prompt(tokenizer, start.card)
    config = AutoConfig.from_pretrained(start.path)
    return colocation.plan_engine(config, longest, profile, devices=devices, gpu_bytes=gpu_bytes)
