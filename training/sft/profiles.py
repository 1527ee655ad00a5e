"""What a fine-tuning run does: three profiles, each value with a name and a reason.

`paper` takes what the paper gives (`GIVEN`), which is little; every other value of it is a guess, where ms-swift has a
default that default. `production` is what we would do with the same model and more care. `tiny` goes on training the
tiny model.
Source: paper section 4 (ms-swift, all parameters, learning rate 2e-5).
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pipeline.errors import BadSettings
from training.runs import profiles
from training.runs.profiles import Dtype, LoraAlpha, LoraDropout, LoraRank, Name, Resolved, Trained

Variant = Literal["two_turn", "one_turn_e", "one_turn_eg"]
Schedule = Literal["constant", "linear", "cosine"]
GIVEN = ("variant", "learning_rate", "trained")
"""what `paper` has from the paper"""
OF_THE_MACHINE = ("micro_batch", "checkpointing", "save_every")
"""what changes no result, only who computes it and what is kept on the way"""
MAY_BE_ZERO = ("warm_up_fraction", "last_rate_fraction", "weight_decay", "lora_dropout_fraction")


def _problems(profile: "Profile") -> Iterator[str]:
    yield from profiles.out_of_bounds(profile)
    for entry in dataclasses.fields(profile):
        value = getattr(profile, entry.name)
        if isinstance(value, float) and not value and entry.name not in MAY_BE_ZERO:
            yield f"{entry.name} is 0; it must be more"
    if profile.micro_batch > 0 and profile.rows % profile.micro_batch:
        yield f"micro_batch is {profile.micro_batch}; it must divide rows, {profile.rows}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Every value of a run. Raises: BadSettings when they cannot work together."""

    variant: Annotated[Variant, "which rows an image gives: both queries, or one turn with or without boxes"]
    epochs: Annotated[float, "how often each row is seen"]
    rows: Annotated[int, "rows a step, over all devices"]
    learning_rate: Annotated[float, "largest learning rate"]
    schedule: Annotated[Schedule, "how the learning rate goes on after the warm-up"]
    warm_up_fraction: Annotated[float, "share of the run until the learning rate is reached"]
    last_rate_fraction: Annotated[float, "share of the learning rate at the end"]
    weight_decay: Annotated[float, "of AdamW"]
    adam_beta2: Annotated[float, "second decay of AdamW"]
    max_gradient: Annotated[float, "norm that gradients are clipped to"]
    trained: Trained
    lora_rank: LoraRank
    lora_alpha: LoraAlpha
    lora_dropout_fraction: LoraDropout
    dtype: Dtype
    box_grid: Annotated[int, "boxes are told in multiples of this"]
    micro_batch: Annotated[int, "rows in memory at once, for each device"]
    checkpointing: Annotated[bool, "keep a layer's input alone and compute it again: less memory, a third more time"]
    save_every: Annotated[int, "steps between checkpoints that a killed run goes on from"]

    def __post_init__(self) -> None:
        if problems := "; ".join(_problems(self)):
            raise BadSettings(problems)

    def rate(self, step: int, steps: int) -> float:
        """The share of the learning rate at `step` of `steps`."""
        warm_up = math.ceil(self.warm_up_fraction * steps)
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        if self.schedule == "constant":
            return 1.0
        done = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        left = 1 - done if self.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
        return self.last_rate_fraction + (1 - self.last_rate_fraction) * left

    def steps(self, rows: int) -> int:
        """Optimizer steps for a set of so many rows."""
        return max(1, round(self.epochs * rows / self.rows))


_PAPER = Profile(
    variant="two_turn",
    epochs=2.0,
    rows=32,
    learning_rate=2e-5,
    schedule="cosine",
    warm_up_fraction=0.05,
    last_rate_fraction=0.0,
    weight_decay=0.1,
    adam_beta2=0.95,
    max_gradient=1.0,
    trained="all",
    lora_rank=64,
    lora_alpha=128,
    lora_dropout_fraction=0.05,
    dtype="float32",
    box_grid=1,
    micro_batch=1,
    checkpointing=True,
    save_every=100,
)
PROFILES: Mapping[Name, Profile] = {
    "paper": _PAPER,
    # A smaller rate for a model that already describes and grounds, and an end that is not nothing.
    "production": replace(_PAPER, rows=64, learning_rate=1e-5, last_rate_fraction=0.1),
    "tiny": replace(
        _PAPER,
        epochs=1.0,
        rows=24,
        learning_rate=2e-4,
        schedule="linear",
        last_rate_fraction=0.02,
        weight_decay=0.05,
        adam_beta2=0.98,
        lora_rank=16,
        lora_alpha=32,
        box_grid=20,  # coordinates that have a token
        micro_batch=24,
        checkpointing=False,
        save_every=20,
    ),
}
VALUES = profiles.values_of(Profile)


def resolve(name: Name, changes: Mapping[str, Any]) -> Resolved[Profile]:
    """Raises: BadSettings when the changed profile cannot work."""
    return profiles.resolve(name, PROFILES[name], changes, given=GIVEN, of_the_machine=OF_THE_MACHINE)
