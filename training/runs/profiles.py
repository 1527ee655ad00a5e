"""What every kind of run's profiles share: values that explain themselves, bounds, and what was changed by hand."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

Name = Literal["paper", "production", "tiny"]
Trained = Annotated[Literal["all", "lora"], "all parameters, or adapters that are merged at the end"]
LoraRank = Annotated[int, "lora: rank of an adapter"]
LoraAlpha = Annotated[int, "lora: an adapter is scaled by alpha / rank"]
LoraDropout = Annotated[float, "lora: dropout before an adapter"]
Dtype = Annotated[Literal["float32", "bfloat16"], "of the weights in training; on GPUs products are bfloat16 in either"]


class AdapterProfile(Protocol):
    """The values of a profile that say whether adapters are trained, and which."""

    @property
    def trained(self) -> Literal["all", "lora"]: ...
    @property
    def lora_rank(self) -> int: ...
    @property
    def lora_alpha(self) -> int: ...
    @property
    def lora_dropout_fraction(self) -> float: ...


Values = TypeVar("Values", bound=Any)


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a profile: its name, its type, and what it is for people."""

    name: str
    kind: Any
    meaning: str

    @property
    def choices(self) -> tuple[Any, ...]:
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()


def values_of(profile: type) -> tuple[Value, ...]:
    hints = get_type_hints(profile, include_extras=True)
    return tuple(Value(name, hint.__origin__, hint.__metadata__[0]) for name, hint in hints.items())


def out_of_bounds(profile: Any) -> Iterator[str]:
    """One sentence for each value that no run can work with; fields that end in _fraction are shares."""
    for entry in dataclasses.fields(profile):
        value = getattr(profile, entry.name)
        if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
            yield f"{entry.name} is {value}; it must be 0 or more"
        if type(value) is int and value < 1:
            yield f"{entry.name} is {value}; it must be 1 or more"
        if entry.name.endswith("_fraction") and value > 1:
            yield f"{entry.name} is {value}; it is a share, at most 1"
    if profile.trained == "all" and profile.dtype == "bfloat16":
        yield "dtype is bfloat16, in which steps of this size are lost; with all parameters in training use float32"


@dataclass(frozen=True, slots=True)
class Resolved(Generic[Values]):
    """A profile with what the command line changed.

    `given` are the values that `paper` has from the paper, `of_the_machine` those that change no result.
    """

    name: Name
    values: Values
    changed: tuple[str, ...]
    given: tuple[str, ...]
    of_the_machine: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For the record: every value, and which the paper gives, which we guessed, which were changed by hand."""
        said = dataclasses.asdict(self.values)
        given = [name for name in self.given if self.name == "paper" and name not in self.changed]
        return {
            "profile": self.name,
            "values": {name: dict(value) if isinstance(value, tuple) else value for name, value in said.items()},
            "given_by_the_paper": given,
            "guessed": [name for name in said if name not in (*given, *self.changed, *self.of_the_machine)],
            "changed": list(self.changed),
        }


def resolve(
    name: Name,
    profile: Values,
    changes: Mapping[str, Any],
    *,
    given: tuple[str, ...],
    of_the_machine: tuple[str, ...],
) -> Resolved[Values]:
    """Adapters train on weights that stay as they are: with them bfloat16 is enough, and half the memory.

    Raises: BadSettings when the changed profile cannot work.
    """
    follows = {"dtype": "bfloat16"} if changes.get("trained") == "lora" and name != "tiny" else {}
    values = dataclasses.replace(profile, **(follows | dict(changes)))
    return Resolved(name, values, tuple(sorted(changes)), given, of_the_machine)
