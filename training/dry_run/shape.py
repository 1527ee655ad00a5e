"""The shape of a model and the parameters that follow from it, without its weights."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint, CheckpointCard
from training.qwen import sizes
from training.runs import adapters
from training.runs.profiles import TrainingProfile


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a model and of its parts."""

    all: int
    trained: int
    layer: int
    outside: int

    @classmethod
    def from_model(cls, model: Qwen2_5_VLForConditionalGeneration, lora_rank: int | None) -> "ParameterCount":
        """Count all parameters, those that are trained, and those of the largest layer and outside the layers."""
        layers = [*model.model.language_model.layers, *model.model.visual.blocks]
        each = [_count_parameters(layer) for layer in layers]
        whole = _count_parameters(model)
        trained = whole if lora_rank is None else _count_adapter_parameters(model, lora_rank)
        return cls(whole, trained, max(each), whole - sum(each))


def _count_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _count_adapter_parameters(model: Qwen2_5_VLForConditionalGeneration, rank: int) -> int:
    named = ((name, module) for name, module in model.named_modules() if re.fullmatch(adapters.MODULES, name))
    return sum(rank * (module.in_features + module.out_features) for _, module in named)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A model's configuration, its modules without memory for weights, and the card that bounds its pictures."""

    config: Qwen2_5_VLConfig
    model: Qwen2_5_VLForConditionalGeneration
    card: CheckpointCard

    @classmethod
    def read(cls, model: str) -> "ModelShape":
        """Read the shape of a published size (3b, 7b, 32b) or of the checkpoint in a directory.

        Raises: BadSettings.
        """
        if model in sizes.SIZES:
            return _read_published(model)
        config = sizes.load_config(model)
        return cls(config, sizes.build_on_meta(config), Checkpoint.read(Path(model)).card)

    def count_all_parameters(self) -> int:
        """Count the parameters."""
        return _count_parameters(self.model)

    def count_parameters(self, profile: TrainingProfile) -> ParameterCount:
        """Count the parameters, of which the profile trains all or adapters."""
        return ParameterCount.from_model(self.model, profile.lora_rank if profile.trained == "lora" else None)

    @property
    def head_width(self) -> int:
        """Return the width of one attention head."""
        text = self.config.text_config
        return int(text.hidden_size // text.num_attention_heads)


@lru_cache(maxsize=len(sizes.SIZES))
def _read_published(size: str) -> ModelShape:
    config = sizes.load_config(size)
    return ModelShape(config, sizes.build_on_meta(config), CheckpointCard())
