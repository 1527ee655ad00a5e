"""Memory of a GPU while a checkpoint answers the images of a validation, read from its directory by transformers."""

import torch

from training.dry_run import activations
from training.dry_run.activations import FULL, HALF, Batch
from training.dry_run.shape import ModelShape
from training.qwen import sizes
from training.validation import greedy
from training.validation.profile import ValidatedProfile

Parts = dict[str, int]


def estimate_served(shape: ModelShape, profile: ValidatedProfile) -> Parts:
    """Estimate the whole model in the dtype that it is served in, with its answers to a batch."""
    served = FULL if shape.config.dtype == torch.float32 else HALF
    weights = shape.count_parameters(profile).all * served
    return {"weights": weights, **estimate_greedy(shape, profile, served, crops=shape.card.max_crops)}


def estimate_greedy(shape: ModelShape, profile: ValidatedProfile, number: int, *, crops: int) -> Parts:
    """Estimate one batch of greedy answers, with `number` bytes for each number."""
    rows = greedy.count_batch_rows(shape.card, crops, profile.validation_tokens)
    batch = Batch.build_largest(shape.card, rows, answer_tokens=profile.validation_tokens, crops=crops)
    return {
        "forward": activations.count_forward_bytes(shape.config, batch, stream=number, product=number),
        "cache": batch.tokens * sizes.count_keys_per_token(shape.config) * 2 * number,
    }
