"""The parts that the profiles of all training runs share: common fields, their bounds, and where each value comes from.

A profile is a pydantic model: a field has a type, bounds and a description, and the command line's flags, the run files
and the messages for wrong values are all built from these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.runs import run_file
from training.runs.run_file import NO_FILE, RunFile

ProfileName = Literal["paper", "production", "tiny"]
Reporter = Literal["none", "tensorboard", "wandb", "mlflow"]
Count = Annotated[int, Field(ge=1, strict=True)]
Natural = Annotated[int, Field(ge=0, strict=True)]
Amount = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
LORA_RATE_RATIO = 10


class TrainingProfile(BaseModel):
    """The values that every kind of run has. Raises: ValidationError when they cannot work together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    GIVEN: ClassVar[tuple[str, ...]]
    """fields that the profile `paper` has from the paper"""
    OF_THE_MACHINE: ClassVar[tuple[str, ...]]
    """fields that change no result: which device computes it, and what is saved and measured on the way"""

    trained: Literal["all", "lora"] = Field(description="all parameters, or adapters that are merged at the end")
    learning_rate: Amount = Field(description="largest learning rate; ten times as large for adapters")
    lora_rank: Count = Field(description="lora: rank of an adapter")
    lora_alpha: Count = Field(description="lora: an adapter is scaled by alpha / rank")
    lora_dropout_fraction: Fraction = Field(description="lora: dropout before an adapter")
    dtype: Literal["float32", "bfloat16"] = Field(
        description="of the weights in training; on GPUs products are bfloat16 in either"
    )
    publish_dtype: Literal["start", "float32", "bfloat16"] = Field(
        default="start", description="of the published weights; bfloat16 drops updates below half a step of it"
    )
    micro_batch: Count = Field(description="rows in memory at once, for each device")
    save_every: Count = Field(description="steps between checkpoints that a killed run goes on from")
    report_to: Reporter = Field(
        default="none", exclude=True, description="where the trainer sends its metrics besides log.jsonl"
    )

    def change(self, **changes: Any) -> Self:
        """Return this profile with other values. Raises: ValidationError when they cannot work together."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(values | changes)

    @model_validator(mode="after")
    def _check_dtype(self) -> Self:
        if self.trained == "all" and self.dtype == "bfloat16":
            raise ValueError(
                "dtype is bfloat16, in which steps of this size are lost; with all parameters in training use float32"
            )
        return self


Profile = TypeVar("Profile", bound=TrainingProfile)


@dataclass(frozen=True, slots=True)
class ProfileField:
    """One value of a profile as the command line shows it."""

    name: str
    kind: Any
    meaning: str

    @property
    def choices(self) -> tuple[Any, ...]:
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()


def list_fields(profile: type[BaseModel]) -> tuple[ProfileField, ...]:
    """Return the fields in their order."""
    return tuple(
        ProfileField(name, info.annotation, info.description or "") for name, info in profile.model_fields.items()
    )


@dataclass(frozen=True, slots=True)
class ResolvedProfile(Generic[Profile]):
    """A profile with the values that the command line and the run file changed, and the names of these."""

    name: ProfileName
    values: Profile
    changed: tuple[str, ...]
    adapted: tuple[str, ...] = ()
    """fields that other changes have changed"""

    def to_json(self) -> dict[str, Any]:
        """Return every value, and which of them the paper gives, which are guesses, and which were changed by hand.

        `report_to` is left out: a killed run may go on with another one.
        """
        values = self.values.model_dump()
        own = (*self.changed, *self.adapted)
        from_paper = [name for name in self.values.GIVEN if self.name == "paper" and name not in own]
        known = (*from_paper, *self.changed, *self.values.OF_THE_MACHINE)
        return {
            "profile": self.name,
            "values": {name: dict(value) if isinstance(value, tuple) else value for name, value in values.items()},
            "given_by_the_paper": from_paper,
            "guessed": [name for name in values if name not in known],
            "changed": [name for name in self.changed if name in values],
        }


def resolve_profile(
    name: ProfileName, profile: Profile, changes: Mapping[str, Any], file: RunFile = NO_FILE
) -> ResolvedProfile[Profile]:
    """Replace values of a profile: `changes` come first, then those of the run file, then the profile's own.

    With adapters the start's weights do not change, so bfloat16 is enough for them and halves their memory, and they
    learn best at ten times the rate of all parameters: both are the defaults there, except for the tiny model.
    Source: Schulman et al. 2025, LoRA Without Regret.
    Raises: BadSettings when the changed profile cannot work.
    """
    changed = {**file.values, **changes}
    fields = type(profile).model_fields
    defaults = {name: getattr(profile, name) for name in fields}
    adapted: dict[str, Any] = {}
    if changed.get("trained") == "lora" and name != "tiny":
        adapted = {"dtype": "bfloat16", "learning_rate": LORA_RATE_RATIO * profile.learning_rate}
    known = (*fields, run_file.PROFILE)
    values = run_file.apply_changes(type(profile), defaults | adapted, changes, file, known)
    return ResolvedProfile(name, values, tuple(sorted(changed)), tuple(sorted(adapted.keys() - changed.keys())))
