"""Give the shapes of the published Qwen2.5-VL models, without their weights.

Source: config.json of Qwen2.5-VL-3B-Instruct, -7B-Instruct and -32B-Instruct; the parameters that follow from these
values are as many as are published, 3,754,622,976, 8,292,166,656 and 33,452,718,336.
"""

import json
import math
from functools import lru_cache
from pathlib import Path

import torch
from transformers import AutoConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from pipeline.errors import BadSettings

_VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "window_size": 112,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
_TEXT = {
    "vocab_size": 152064,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 128000,
    "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
}
SIZES = {
    "3b": (
        {
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
        },
        {"intermediate_size": 3420, "out_hidden_size": 2048},
    ),
    "7b": (
        {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        {"intermediate_size": 3420, "out_hidden_size": 3584},
    ),
    "32b": (
        {
            "hidden_size": 5120,
            "intermediate_size": 27648,
            "num_hidden_layers": 64,
            "num_attention_heads": 40,
            "num_key_value_heads": 8,
        },
        {"intermediate_size": 3456, "out_hidden_size": 5120},
    ),
}
TIED_SIZES = frozenset({"3b"})
"""sizes whose output layer is the embedding"""


def load_config(size: str) -> Qwen2_5_VLConfig:
    """Return the configuration of a published size by its name, or of the checkpoint in a directory.

    Raises: BadSettings.
    """
    if size in SIZES:
        text, vision = SIZES[size]
        tied = size in TIED_SIZES
        return Qwen2_5_VLConfig(text_config=_TEXT | text, vision_config=_VISION | vision, tie_word_embeddings=tied)
    if not (Path(size) / "config.json").is_file():
        raise BadSettings(
            f"{size} is neither {' nor '.join(SIZES)} nor the directory of a Qwen2.5-VL checkpoint: there is no "
            "config.json in it"
        )
    return AutoConfig.from_pretrained(size)


def build_on_meta(config: Qwen2_5_VLConfig) -> Qwen2_5_VLForConditionalGeneration:
    """Build the model without memory for its weights: modules and shapes."""
    with torch.device("meta"):
        return Qwen2_5_VLForConditionalGeneration(config)


def count_shared_heads(config: Qwen2_5_VLConfig) -> int:
    """Return the number that the GPUs of one engine must divide: heads of text and vision are shared out evenly."""
    return math.gcd(config.text_config.num_attention_heads, config.vision_config.num_heads)


def count_keys_per_token(config: Qwen2_5_VLConfig, gpus: int = 1) -> int:
    """Return how many numbers the keys of a token are in the cache of each GPU; its values are as many.

    They are layers x KV heads x head width. Several GPUs share the KV heads; each has at least one.
    """
    text = config.text_config
    heads = max(1, text.num_key_value_heads // gpus)
    return int(text.num_hidden_layers * heads * (text.hidden_size // text.num_attention_heads))


def count_parameters(config: Qwen2_5_VLConfig) -> int:
    """Count the parameters of a model of this shape."""
    return _count_parameters(config.to_json_string(use_diff=False))


@lru_cache(maxsize=8)  # a plan asks for the same shape many times, and building it takes half a second
def _count_parameters(config: str) -> int:
    model = build_on_meta(Qwen2_5_VLConfig(**json.loads(config)))
    return sum(parameter.numel() for parameter in model.parameters())
