"""Estimate of the memory that a step of fine-tuning takes on each device, by counting.

Weights, gradients and optimizer follow from the number of parameters; activations from what autograd stores of each
layer, which tests compare with the tensors that it really stores.
"""

import re
from dataclasses import asdict, dataclass
from math import prod

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import CheckpointCard
from pipeline.prompts import MAX_ANSWER_TOKENS
from training.runs import adapters
from training.sft.profiles import SftProfile

FULL, HALF = 4, 2  # bytes of a number
QUERY_TOKENS = 250  # of instructions, captions and template, rounded up
TILE_TOKENS, TILE_WORDS = 4096, 32768  # of the logits, TRL has so many in memory at once
TOKEN_PX = 28 * 28
FORMULA = """\
weights       parameters x bytes of --dtype / devices; adapters are float32
gradients     trained parameters x 4 / devices
optimizer     trained parameters x 8 / devices (AdamW's two moments)
copies        bfloat16 on GPUs: sharded, the parts outside the layers and two layers, whole; else every float32 weight
activations   a layer keeps for each text token   (4 h + 2 + heads) x s + (6 h + 4 m) x c, with padding also length x c
              and for each patch                  (4 h + 2 + heads) x s + (9 h + 4 m) x c
              with h its hidden and m its MLP size, s bytes of the residual stream and c of a product.
              With --checkpointing a layer keeps h x s, and one layer at a time is whole.
              Besides: pixels, merger, rotations, mask, last norm. Adapters' own inputs are not counted.
head          the last states' gradient, tokens x h x 4, one tile of logits, 4096 tokens x 32768 words x c, and, where
              all is trained, the head's whole gradient, vocabulary x h x 4, before it is shared out"""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a device has in hand at once: rows padded to `length` tokens, and patches of 14 x 14 pixels."""

    rows: int
    length: int
    patches: int

    @classmethod
    def build_largest(cls, card: CheckpointCard, rows: int) -> "Batch":
        """Build rows of Query 2 with every crop and the longest answer."""
        pictures = card.scan_max_pixels // TOKEN_PX + card.max_crops * (card.crop_max_pixels // TOKEN_PX)
        return cls(rows, QUERY_TOKENS + MAX_ANSWER_TOKENS + pictures, 4 * rows * pictures)

    @property
    def tokens(self) -> int:
        return self.rows * self.length


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
class Memory:
    """Bytes on each device."""

    weights: int
    gradients: int
    optimizer: int
    copies: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


def estimate_memory(
    config: Qwen2_5_VLConfig,
    counted: ParameterCount,
    batch: Batch,
    profile: SftProfile,
    *,
    devices: int,
    on_gpu: bool = True,
) -> Memory:
    """Estimate the memory of each device; several devices shard the weights."""
    lora = profile.trained == "lora"
    stored = FULL if profile.dtype == "float32" else HALF
    weights = counted.all * stored + (counted.trained * FULL if lora else 0)
    whole = counted.outside + 2 * counted.layer if devices > 1 else counted.all * (stored == FULL)
    text, product = config.text_config, HALF if on_gpu else stored
    head = (
        batch.tokens * text.hidden_size * FULL
        + min(batch.tokens, TILE_TOKENS) * min(text.vocab_size, TILE_WORDS) * product
    )
    return Memory(
        weights=weights // devices,
        gradients=counted.trained * FULL // devices,
        optimizer=2 * counted.trained * FULL // devices,
        copies=whole * HALF if on_gpu else 0,
        activations=count_activation_bytes(
            config, batch, checkpointing=profile.checkpointing, stream=stored, product=product
        ),
        head=head + (0 if lora else text.vocab_size * text.hidden_size * FULL),
    )


def count_activation_bytes(
    config: Qwen2_5_VLConfig, batch: Batch, *, checkpointing: bool, stream: int, product: int
) -> int:
    """Count the bytes that autograd stores between forward and backward, without the parameters."""
    text, vision = config.text_config, config.vision_config
    wide, deep = text.hidden_size, vision.hidden_size
    masked = batch.length if batch.rows > 1 else 0
    of_token = (4 * wide + 2 + text.num_attention_heads) * stream + (
        6 * wide + 4 * text.intermediate_size + masked
    ) * product
    of_patch = (4 * deep + 2 + vision.num_heads) * stream + (9 * deep + 4 * vision.intermediate_size) * product
    layers = {"text": batch.tokens * of_token, "vision": batch.patches * of_patch}
    if checkpointing:
        inputs = batch.tokens * wide * stream * text.num_hidden_layers + batch.patches * deep * stream * vision.depth
        stored = inputs + max(layers.values())
    else:
        stored = layers["text"] * text.num_hidden_layers + layers["vision"] * vision.depth
    pixels = prod((3, vision.temporal_patch_size, vision.patch_size, vision.patch_size))
    ends = batch.patches * (pixels * product + (2 * deep + 1) * stream + 3 * deep * product)
    ends += batch.tokens * ((2 * wide + 1) * stream + wide * product + masked)
    rotations = wide // text.num_attention_heads * batch.tokens + deep // vision.num_heads * batch.patches
    ends += 2 * rotations * FULL
    return int(stored + ends)
