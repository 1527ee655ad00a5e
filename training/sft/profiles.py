"""Three profiles of fine-tuning runs; each value has a name, bounds and a description.

`paper` takes what the paper gives (`GIVEN`), which is little; every other value of it is a guess, where ms-swift has a
default that default. `production` uses the same model with more careful values. `tiny` continues the training of the
tiny model.
Source: paper section 4 (ms-swift, all parameters, learning rate 2e-5).
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from training.runs import profiles
from training.runs.profiles import Amount, Count, Fraction, ProfileName, ResolvedProfile
from training.runs.run_file import NO_FILE, RunFile
from training.validation.profile import ValidatedProfile

Variant = Literal["two_turn", "one_turn_e", "one_turn_eg"]
Crops = Literal["annotated", "drawn"]
Schedule = Literal["constant", "linear", "cosine"]
Positive = Annotated[float, Field(gt=0)]


class SftProfile(ValidatedProfile):
    """Every value of a fine-tuning run."""

    GIVEN: ClassVar = ("variant", "learning_rate", "trained")
    OF_THE_MACHINE: ClassVar = (
        *("micro_batch", "checkpointing", "save_every", "report_to", "validation_engine"),
        *("validation_images", "validation_tokens"),
    )
    variant: Variant = Field(description="rows of an image: both queries, or one turn with or without boxes")
    crops: Crops = Field(
        description="crops of Query 2: annotated boxes, or drawn like a model's: imprecise, missing, stray, none"
    )
    epochs: Positive = Field(description="how often each row is seen")
    rows: Count = Field(description="rows a step, over all devices")
    learning_rate: Positive = Field(description="largest learning rate; ten times as large for adapters")
    schedule: Schedule = Field(description="how the learning rate goes on after the warm-up")
    warm_up_fraction: Fraction = Field(description="share of the run until the learning rate is reached")
    last_rate_fraction: Fraction = Field(description="share of the learning rate at the end")
    weight_decay: Amount = Field(description="of AdamW")
    adam_beta2: float = Field(gt=0, lt=1, description="second decay of AdamW")
    max_gradient: Positive = Field(description="norm that gradients are clipped to")
    box_grid: Count = Field(description="coordinates of boxes are multiples of this")
    checkpointing: bool = Field(
        description="keep a layer's input alone and compute it again: less memory, a third more time"
    )

    @model_validator(mode="after")
    def _check_batches(self) -> Self:
        if self.rows % self.micro_batch:
            raise ValueError(f"micro_batch is {self.micro_batch}; it must divide rows, {self.rows}")
        if self.kept == "better" and self.variant != "two_turn":
            raise ValueError(f"kept is better, which asks both queries, and variant is {self.variant}; take kept last")
        return self

    def compute_rate(self, step: int, steps: int) -> float:
        """Return the share of the learning rate at `step` of `steps`."""
        warm_up = math.ceil(self.warm_up_fraction * steps)
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        if self.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        left = 1 - progress if self.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return self.last_rate_fraction + (1 - self.last_rate_fraction) * left

    def count_steps(self, rows: int) -> int:
        """Return the number of optimizer steps for a set of `rows` rows."""
        return max(1, round(self.epochs * rows / self.rows))


_PAPER = SftProfile(
    variant="two_turn",
    crops="annotated",
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
    validation_tokens=512,
    validation_images=1000,  # the 95 % interval of a difference of Acc or IoU is some .01 wide on each side
    kept="last",
)
PROFILES: Mapping[ProfileName, SftProfile] = {
    "paper": _PAPER,
    # A smaller rate for a model that already describes and grounds, a last rate above zero, and crops as in serving.
    "production": _PAPER.change(crops="drawn", rows=64, learning_rate=1e-5, last_rate_fraction=0.1),
    "tiny": _PAPER.change(
        crops="drawn",
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
        validation_tokens=100,
    ),
}
VALUES = profiles.list_fields(SftProfile)


def resolve_sft_profile(
    name: ProfileName, changes: Mapping[str, Any], file: RunFile = NO_FILE
) -> ResolvedProfile[SftProfile]:
    """Change values of the profile `name`. Raises: BadSettings when the changed profile cannot work."""
    return profiles.resolve_profile(name, PROFILES[name], changes, file)
