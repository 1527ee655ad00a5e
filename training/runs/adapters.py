"""LoRA adapters: which modules of Qwen2.5-VL get one, and how they become part of the weights."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import Qwen2_5_VLForConditionalGeneration

from training.runs.profiles import AdapterProfile

# Anchored: a bare `proj` would also take patch_embed.proj, which is a Conv3d.
_LANGUAGE = r"language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
_VISION = r"visual\.(blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)|merger\.mlp\.[02])"
MODULES = rf"model\.({_LANGUAGE}|{_VISION})"
"""what peft matches against a module's whole name"""


def config(profile: AdapterProfile) -> LoraConfig | None:
    """The adapters that a run trains; None where it trains all parameters."""
    if profile.trained == "all":
        return None
    return LoraConfig(
        r=profile.lora_rank,
        lora_alpha=profile.lora_alpha,
        lora_dropout=profile.lora_dropout_fraction,
        target_modules=MODULES,
    )


def merged(start: Path, adapter: Path, dtype: torch.dtype) -> Qwen2_5_VLForConditionalGeneration:
    """The start with its adapter added to the weights: served as any other checkpoint."""
    base = Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    whole: Qwen2_5_VLForConditionalGeneration = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    return whole.to(dtype)
