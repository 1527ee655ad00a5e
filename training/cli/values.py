"""Options that name a profile and change its values by hand, for every verb that has profiles."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from training.grpo.profiles import weights
from training.runs.profiles import Name, Value


def add_profile(parser: argparse.ArgumentParser, values: Sequence[Value], profiles: Mapping[str, Any]) -> None:
    """`profiles` are those that the help tells the values of, by the names it calls them."""
    parser.add_argument(
        "--profile", choices=get_args(Name), default="paper", help="where values come from (default %(default)s)"
    )
    group = parser.add_argument_group("values of the profile, each to be changed by hand")
    for value in values:
        standing = ", ".join(f"{name}: {_shown(getattr(profile, value.name))}" for name, profile in profiles.items())
        said = f"{value.meaning} ({standing})"
        group.add_argument(
            f"--{value.name.replace('_', '-')}", dest=value.name, default=None, help=said, **_typed(value)
        )
    group.add_argument("--lora", dest="trained", action="store_const", const="lora", help="short for --trained lora")


def _typed(value: Value) -> dict[str, Any]:
    """How a value is typed: by its own type."""
    if value.choices:
        return {"choices": value.choices}
    if value.kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    kind = value.kind if value.kind in (int, float, str) else weights
    return {"type": kind, "metavar": value.name.rpartition("_")[2].upper()}


def _shown(value: object) -> str:
    return ",".join(f"{name}={weight:g}" for name, weight in value) if isinstance(value, tuple) else str(value)


def changes(args: argparse.Namespace, values: Sequence[Value]) -> dict[str, Any]:
    """The values that were typed."""
    return {value.name: typed for value in values if (typed := getattr(args, value.name)) is not None}
