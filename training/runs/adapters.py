"""LoRA adapters of Qwen2.5-VL: the modules that get one, and merging them into the weights."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import Qwen2_5_VLForConditionalGeneration

from training.runs.profiles import TrainingProfile

# Anchored: a bare `proj` would also take patch_embed.proj, which is a Conv3d.
_LANGUAGE = r"language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
_VISION = r"visual\.(blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)|merger\.mlp\.[02])"
MODULES = rf"model\.({_LANGUAGE}|{_VISION})"
"""the pattern that peft matches against a module's whole name"""


def build_lora_config(profile: TrainingProfile) -> LoraConfig | None:
    """Return the adapters that a run trains; None when it trains all parameters."""
    if profile.trained == "all":
        return None
    return LoraConfig(
        r=profile.lora_rank,
        lora_alpha=profile.lora_alpha,
        lora_dropout=profile.lora_dropout_fraction,
        target_modules=MODULES,
    )


def merge_adapter(start: Path, adapter: Path) -> Qwen2_5_VLForConditionalGeneration:
    """Load the start in float32 with its adapter added to the weights; it is served as any other checkpoint."""
    base = Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    merged: Qwen2_5_VLForConditionalGeneration = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    return merged
