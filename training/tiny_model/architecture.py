"""The tiny Qwen2.5-VL before it has learned anything: its shape, and a patch embedding that sees frequencies."""

import math

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from training.qwen import tokens

VISION_HIDDEN = 128
TEXT_HIDDEN = 192
LUMINANCE = (1 / 3, 1 / 3, 1 / 3)
CHROMAS = ((1.0, -1.0, 0.0), (0.5, 0.5, -1.0))
CHROMA_FREQUENCIES = 9
PATCH_PX = 14


def build_tiny_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """Build a model with random weights of this seed and a DCT patch embedding; 2.8 million parameters, float32."""
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(_build_config(tokenizer))
    weight = model.model.visual.patch_embed.proj.weight
    with torch.no_grad():
        weight.copy_(build_dct_filters(weight.shape[0])[:, :, None].expand_as(weight) / weight.shape[2])
    model.generation_config.eos_token_id = model.config.text_config.eos_token_id
    model.generation_config.pad_token_id = model.config.text_config.pad_token_id
    return model


def _build_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    token = {text: tokenizer.convert_tokens_to_ids(text) for text in tokens.SPECIALS}
    text = {
        "initializer_range": 0.06,
        "hidden_size": TEXT_HIDDEN,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "vocab_size": math.ceil(len(tokenizer) / 64) * 64,
        "max_position_embeddings": tokenizer.model_max_length,
        "tie_word_embeddings": True,
        # A small theta: contexts of a few hundred tokens leave no use for slow rotations.
        "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10.0},
        "bos_token_id": None,  # the template opens a prompt, not the tokenizer
        "eos_token_id": token[tokens.IM_END],
        "pad_token_id": token[tokens.END_OF_TEXT],
    }
    depth = 3
    vision = {
        "initializer_range": 0.06,
        "depth": depth,
        "hidden_size": VISION_HIDDEN,
        "intermediate_size": 256,
        "num_heads": 4,
        "out_hidden_size": TEXT_HIDDEN,
        "fullatt_block_indexes": list(range(depth)),
        "window_size": 112,
        "patch_size": PATCH_PX,
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token[tokens.IMAGE_PAD],
        video_token_id=token[tokens.VIDEO_PAD],
        vision_start_token_id=token[tokens.VISION_START],
        vision_end_token_id=token[tokens.VISION_END],
        tie_word_embeddings=True,
    )


def build_dct_filters(channels: int) -> torch.Tensor:
    """Build two-dimensional cosines, coarse to fine: most channels read brightness, the last 18 coarse color.

    Random filters see almost nothing but the mean of a patch, because natural spectra fall with frequency; artifacts
    live in the fine end.
    Shapes: [channels, 3, 14, 14].
    """
    place = torch.arange(PATCH_PX) + 0.5
    cosines = torch.stack([torch.cos(math.pi * place * k / PATCH_PX) for k in range(PATCH_PX)])
    cosines *= math.sqrt(2 / PATCH_PX)
    cosines[0] /= math.sqrt(2)
    pairs = [(down, across) for down in range(PATCH_PX) for across in range(PATCH_PX)]
    pairs.sort(key=lambda pair: max(pair) + 0.3 * min(pair))
    bright = channels - len(CHROMAS) * CHROMA_FREQUENCIES
    plan = [(pair, LUMINANCE) for pair in pairs[:bright]]
    plan += [(pair, chroma) for chroma in CHROMAS for pair in pairs[:CHROMA_FREQUENCIES]]
    filters = [
        torch.outer(cosines[down], cosines[across]) * torch.tensor(color)[:, None, None]
        for (down, across), color in plan
    ]
    return torch.stack(filters)


def whiten_patch_embedding(model: Qwen2_5_VLForConditionalGeneration, pixel_values: torch.Tensor) -> None:
    """Scale each channel of the patch embedding to unit deviation on these patches."""
    weight = model.model.visual.patch_embed.proj.weight
    with torch.no_grad():
        response = pixel_values @ weight.reshape(weight.shape[0], -1).T
        weight.div_(response.std(0).clamp_min(1e-4)[:, None, None, None, None])
