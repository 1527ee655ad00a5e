"""Bytes that a forward and backward pass and a generation hold besides weights."""

from dataclasses import dataclass
from math import prod

from transformers import Qwen2_5_VLConfig

from pipeline.checkpoint import CheckpointCard
from training.runs import row_length

FULL, HALF = 4, 2  # bytes of a number


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows that a device has in memory at once, padded to `length` tokens, and their patches of 14 x 14 pixels."""

    rows: int
    length: int
    patches: int

    @classmethod
    def build_largest(cls, card: CheckpointCard, rows: int, *, answer_tokens: int, crops: int | None = None) -> "Batch":
        """Build rows with so many crops, or with every crop that the card allows, and the longest answer."""
        cut = card.max_crops if crops is None else crops
        length = row_length.count_row_tokens(card, cut, answer_tokens)
        return cls(rows, length, 4 * rows * row_length.count_picture_tokens(card, cut))

    @property
    def tokens(self) -> int:
        return self.rows * self.length


def count_activation_bytes(
    config: Qwen2_5_VLConfig, batch: Batch, *, checkpointing: bool, stream: int, product: int
) -> int:
    """Count the bytes that autograd stores between forward and backward, without the parameters.

    With h the hidden size, m the MLP size, a the attention heads, s bytes of the residual stream and c of a product, a
    layer keeps for each text token (4 h + 2 + a) s + (6 h + 4 m) c, with padding also the row's length x c, and for
    each patch (4 h + 2 + a) s + (9 h + 4 m) c. With checkpointing a layer keeps its input, h x s, and one layer at a
    time is whole. Pixels, merger, rotations, mask and last norm come on top. Inputs of adapters are not counted.
    Units: bytes.
    """
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


def count_forward_bytes(config: Qwen2_5_VLConfig, batch: Batch, *, stream: int, product: int) -> int:
    """Count the most bytes that one forward pass without gradients holds at once, without weights and cache.

    That is the widest moment of one layer: of a text token 2 h s + 3 m c, of a patch 2 h s + 3 m c with the vision
    tower's own h and m; the residual stream and its norm, and three tensors of the MLP. The pixels come on top.
    Units: bytes.
    """
    text, vision = config.text_config, config.vision_config
    of_token = 2 * text.hidden_size * stream + 3 * text.intermediate_size * product
    of_patch = 2 * vision.hidden_size * stream + 3 * vision.intermediate_size * product
    pixels = prod((3, vision.temporal_patch_size, vision.patch_size, vision.patch_size)) * FULL
    return int(max(batch.tokens * of_token, batch.patches * of_patch) + batch.patches * pixels)
