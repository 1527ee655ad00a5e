"""Trained weights on their way to a checkpoint: gathered, merged, cast, and the share of the update that survives."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from training.runs import adapters, publishing
from training.runs.profiles import TrainingProfile
from training.runs.resumable import ResumableTrainer

ADAPTER = "adapter"
LEAST_PROJECTION = 0.5
"""of an update; with less, the published weights are nearer to the start than to what was trained"""
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class SurvivingUpdate:
    """The share of a run's update that is left after the cast to the published dtype; both are None without an update.

    d is the difference of all trained weights to the start's, d' the difference of the published ones to the start's.
    `projection` is sum(d' d) / sum(d d): 1 where the cast loses nothing, 0 where it loses everything, so large entries
    weigh more; where it rounds more of them up than down, it is slightly above 1. `changed_fraction` is the share of
    the entries with d != 0 that have d' != 0.
    """

    dtype: str
    projection: float | None
    changed_fraction: float | None

    @property
    def is_lost(self) -> bool:
        return self.projection is not None and self.projection < LEAST_PROJECTION

    def __str__(self) -> str:
        if self.projection is None or self.changed_fraction is None:
            return f"published in {self.dtype}: training changed no weight"
        return (
            f"published in {self.dtype}: {self.projection:.3f} of the update survived the cast "
            f"({self.changed_fraction:.1%} of the changed weights)"
        )


def choose_publish_dtype(profile: TrainingProfile, start: Checkpoint) -> torch.dtype:
    """Return the dtype of the published weights: the profile's own choice, or that of the start."""
    if profile.publish_dtype != "start":
        chosen: torch.dtype = getattr(torch, profile.publish_dtype)
        return chosen
    return AutoConfig.from_pretrained(start.path).dtype or torch.bfloat16


def write_trained_weights(
    trainer: ResumableTrainer, start: Checkpoint, directory: Path, dtype: torch.dtype
) -> SurvivingUpdate | None:
    """Write the trained weights in `dtype` as an incomplete checkpoint, `MADE` in the run directory.

    All processes take part; the first one writes, and the others return None. Adapters are merged in float32 first.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # shards are gathered for the first process
    if not trainer.is_world_process_zero():
        return None
    model: Any = trainer.model
    if isinstance(model, PeftModel):
        model.save_pretrained(str(directory / ADAPTER), state_dict=weights)
        model = adapters.merge_adapter(start.path, directory / ADAPTER)
        weights = model.state_dict()
    trained = {name: weight for name, weight in weights.items() if name not in model.all_tied_weights_keys}
    before = Qwen2_5_VLForConditionalGeneration.from_pretrained(start.path, dtype="auto").state_dict()
    surviving = measure_surviving_update(before, trained, dtype)
    unfinished = directory / publishing.MADE
    model.save_pretrained(unfinished, state_dict={name: weight.to(dtype) for name, weight in trained.items()})
    model.config.dtype = dtype  # transformers has written that of the model in memory
    model.config.save_pretrained(unfinished)
    if surviving.is_lost:
        print(
            f"{surviving}: most of it is smaller than a step of {surviving.dtype}; publish with --publish-dtype "
            "float32, or train with a higher --learning-rate",
            file=sys.stderr,
        )
    return surviving


def measure_surviving_update(start: Weights, trained: Weights, dtype: torch.dtype) -> SurvivingUpdate:
    """Compare the update of `trained` with what the cast to `dtype` leaves of it, one tensor after the other."""
    along = whole = 0.0
    changed = moved = 0
    for name, weight in trained.items():
        exact, before = weight.cpu().float(), start[name].cpu().float()
        update, published = exact - before, exact.to(dtype).float() - before
        along += torch.sum(update * published, dtype=torch.float64).item()
        whole += torch.sum(update * update, dtype=torch.float64).item()
        changed += int(torch.count_nonzero(update))
        moved += int(torch.count_nonzero(published[update != 0]))
    name = str(dtype).removeprefix("torch.")
    return SurvivingUpdate(name, along / whole if whole else None, moved / changed if changed else None)
