"""Options for runs with values: `--config FILE`, `--profile`, and a flag for each value of a profile."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from training.grpo.profiles import parse_weights
from training.runs.profile_choice import ProfileChoice
from training.runs.profiles import ProfileField, ProfileName, TrainingProfile
from training.runs.run_file import read_run_file

DEFAULT_PROFILE: ProfileName = "paper"


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML with values of this run, one `name: value` a line; a flag overrides it",
    )


def add_profile(
    parser: argparse.ArgumentParser, fields: Sequence[ProfileField], profiles: Mapping[Any, TrainingProfile]
) -> None:
    """Add the options; the help shows the values of `profiles` by these names."""
    add_config(parser)
    parser.add_argument(
        "--profile", choices=get_args(ProfileName), help=f"where values come from (default {DEFAULT_PROFILE})"
    )
    group = parser.add_argument_group("values of the profile, each to be changed by hand")
    for field in fields:
        standing = {name: _format(getattr(profile, field.name)) for name, profile in profiles.items()}
        defaults = ", ".join(f"{name}: {value}" for name, value in standing.items())
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            default=None,
            help=f"{field.meaning} ({defaults})",
            **_convert_type(field),
        )
    group.add_argument("--lora", dest="trained", action="store_const", const="lora", help="short for --trained lora")


def read_choice(args: argparse.Namespace, fields: Sequence[ProfileField]) -> ProfileChoice:
    """Read the options that `add_profile` added, and the run file. Raises: BadSettings for an unusable run file."""
    file = read_run_file(args.config, get_args(ProfileName))
    name = cast(ProfileName, args.profile or file.profile or DEFAULT_PROFILE)
    return ProfileChoice(name, list_changes(args, [field.name for field in fields]), file)


def list_changes(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the values that the command line gives."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _convert_type(field: ProfileField) -> dict[str, Any]:
    """Return argparse's words for the type of a value."""
    if field.choices:
        return {"choices": field.choices}
    if field.kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    kind = field.kind if field.kind in (int, float, str) else parse_weights
    return {"type": kind, "metavar": field.name.rpartition("_")[2].upper()}


def _format(value: object) -> str:
    return ",".join(f"{name}={weight:g}" for name, weight in value) if isinstance(value, tuple) else str(value)
