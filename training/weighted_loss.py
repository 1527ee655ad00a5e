"""The tiny model's loss and learning rate: weighted tokens, and instructions that run once a batch."""

import torch
from torch.nn import functional
from transformers import Qwen2_5_VLForConditionalGeneration

from training import tensors

LAST_RATE_FRACTION = 0.02
RAMP_STEPS = 60
KEPT_FRACTION = 0.4  # of the run at full learning rate; then linear to 2 %


def rate(*, fraction: float, step: int) -> float:
    """The share of the learning rate at `fraction` of the run: a ramp, a plateau, then linear down to 2 %."""
    kept = min(1.0, (1 - min(1.0, fraction)) / (1 - KEPT_FRACTION))
    return min(1.0, (step + 1) / RAMP_STEPS) * (LAST_RATE_FRACTION + (1 - LAST_RATE_FRACTION) * kept)


def summed(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> torch.Tensor:
    """Cross-entropy summed over the answers' tokens, each times its weight."""
    hidden, start = last_hidden(model, batch)
    labels, weights = batch["labels"][:, start + 1 :], batch["weights"][:, start + 1 :]
    answered = labels != tensors.IGNORED
    logits = model.lm_head(hidden[:, :-1][answered])
    return functional.cross_entropy(logits, labels[answered], reduction="none") @ weights[answered]


def last_hidden(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> tuple[torch.Tensor, int]:
    """The text model's last states after the shared instructions, and where those end.

    Every row opens with the same instructions. They run once and all rows attend to the same keys, as the prefix
    cache does it in serving; gradients sum over the rows.
    Shapes: [rows, length - start, hidden].
    """
    ids = batch["input_ids"]
    start = int(batch["mm_token_type_ids"][0].argmax())  # the first image token
    if not bool((ids[:, :start] == ids[:1, :start]).all()):
        raise ValueError("the rows of one step open with different instructions")
    positions, _ = model.model.get_rope_index(
        ids, batch["mm_token_type_ids"], batch["image_grid_thw"], attention_mask=batch["attention_mask"]
    )
    opening = model.model.language_model(
        input_ids=ids[:1, :start], position_ids=positions[:, :1, :start], use_cache=True
    )
    cache = opening.past_key_values
    cache.batch_repeat_interleave(len(ids))
    rest = model.model(
        input_ids=ids[:, start:],
        attention_mask=batch["attention_mask"],
        position_ids=positions[:, :, start:],
        past_key_values=cache,
        pixel_values=batch["pixel_values"],
        image_grid_thw=batch["image_grid_thw"],
        use_cache=True,
    )
    return rest.last_hidden_state, start
