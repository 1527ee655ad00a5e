"""Write a checkpoint of a published shape with random weights and Qwen's vocabulary: all but the knowledge is real."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, Qwen2_5_VLConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline.checkpoint import CARD_NAME, CheckpointCard
from pipeline.errors import BadSettings
from pipeline.geometry import MIN_VIEW_PIXELS
from training.common.machine import GIB
from training.common.progress import Progress
from training.qwen import sizes
from training.qwen.tokens import END_OF_TEXT, IM_END, IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START
from training.qwen.vocabulary import build_qwen_tokenizer
from training.tiny_model.vocabulary import CHAT_TEMPLATE

SHARD_BYTES = 4 * GIB
DEVIATION = 0.02
VOCABULARY_UNIT = 128
"""rows of an embedding come in multiples of it, as in the published models"""
MAX_PIXELS = 12_845_056
"""of the published models' image processor"""
_TOKEN_FIELDS = {
    "image_token_id": IMAGE_PAD,
    "video_token_id": VIDEO_PAD,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}
INDEX_NAME = "model.safetensors.index.json"


def write_dummy_checkpoint(
    directory: Path, config: Qwen2_5_VLConfig, card: CheckpointCard, *, words: int | None = None
) -> None:
    """Write weights in bfloat16 that are drawn on the GPU where there is one; config.json comes last.

    `words` are those of `build_config`.

    Raises: BadSettings when the disk has no room.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shapes = {name: weight.shape for name, weight in sizes.build_on_meta(config).named_parameters()}
    _refuse_full_disk(directory, 2 * sum(shape.numel() for shape in shapes.values()))
    tokenizer = build_qwen_tokenizer(words)
    _write_weights(directory, shapes)
    tokenizer.save_pretrained(directory)
    (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    Qwen2VLImageProcessorPil(min_pixels=MIN_VIEW_PIXELS, max_pixels=MAX_PIXELS).save_pretrained(directory)
    (directory / CARD_NAME).write_text(card.model_dump_json(indent=2) + "\n")
    end, pad = tokenizer.convert_tokens_to_ids([IM_END, END_OF_TEXT])
    GenerationConfig(eos_token_id=end, pad_token_id=pad).save_pretrained(directory)
    config.save_pretrained(directory)


def build_config(size: str, layers: int | None, words: int | None = None) -> Qwen2_5_VLConfig:
    """Return the configuration of a published size.

    `layers` cuts the text model and the vision tower to so many, `words` the vocabulary to its most frequent ones.
    """
    config, tokenizer = sizes.load_config(size), build_qwen_tokenizer(words)
    for field, token in _TOKEN_FIELDS.items():
        setattr(config, field, tokenizer.convert_tokens_to_ids(token))
    text = config.text_config
    text.eos_token_id, text.pad_token_id = tokenizer.convert_tokens_to_ids([IM_END, END_OF_TEXT])
    text.bos_token_id = None  # the template opens a prompt, not the tokenizer
    config.architectures, config.dtype = ["Qwen2_5_VLForConditionalGeneration"], torch.bfloat16
    if words is not None:
        text.vocab_size = math.ceil(len(tokenizer) / VOCABULARY_UNIT) * VOCABULARY_UNIT
    if layers is not None:
        config.text_config.num_hidden_layers = layers
        config.text_config.layer_types = config.text_config.layer_types[:layers]
        config.vision_config.depth = layers
        config.vision_config.fullatt_block_indexes = [layers - 1]
    return config


def _refuse_full_disk(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise BadSettings(
            f"{directory} has {free / GIB:.0f} GiB free and the weights need {needed / GIB:.0f}; "
            "name another place with --work"
        )


def _write_weights(directory: Path, shapes: dict[str, torch.Size]) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(0)
    shards = list(_split_shards(shapes))
    progress = Progress("random weights", len(shards))
    files: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(
            {name: _draw_weight(name, shapes[name], generator) for name in names}, directory / file, {"format": "pt"}
        )
        files |= dict.fromkeys(names, file)
        progress.show(number)
    (directory / INDEX_NAME).write_text(json.dumps({"metadata": {}, "weight_map": files}, indent=1))


def _split_shards(shapes: dict[str, torch.Size]) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, shape in shapes.items():
        if names and size + 2 * shape.numel() > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += 2 * shape.numel()
    yield names


def _draw_weight(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Draw one tensor as a fresh model is initialised: norms are one, biases zero, all else normal."""
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    if "norm" in name or name.endswith("ln_q.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    drawn = torch.empty(shape, dtype=torch.bfloat16, device=generator.device)
    return drawn.normal_(0, DEVIATION, generator=generator).cpu()
