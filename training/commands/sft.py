"""`zoomin-train sft`: fine-tuning on both queries."""

import argparse
from pathlib import Path
from typing import Any, get_args

from training.commands.numbers import natural
from training.settings import TrainSettings
from training.tuning.grpo_profiles import Value
from training.tuning.sft_profiles import PROFILES, VALUES, Name, resolve

HELP = "fine-tune any Qwen2.5-VL on a labeled set; goes on where a killed run stopped"
EXAMPLE = "zoomin-train sft models/zoomin-tiny --data build/magnifake --profile tiny --out build/tiny-sft"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint to start from")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="set of `zoomin-train build` or `scenes`"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the new checkpoint")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="of the rows' order (default 0)")
    add_profile(parser)


def add_profile(parser: argparse.ArgumentParser) -> None:
    """The options that name a profile and change its values."""
    parser.add_argument(
        "--profile", choices=get_args(Name), default="paper", help="where values come from (default %(default)s)"
    )
    values = parser.add_argument_group("values of the profile, each to be changed by hand")
    for value in VALUES:
        values.add_argument(f"--{value.name.replace('_', '-')}", dest=value.name, **_option(value))
    values.add_argument("--lora", dest="trained", action="store_const", const="lora", help="short for --trained lora")


def _option(value: Value) -> dict[str, Any]:
    standing = ", ".join(f"{name}: {getattr(profile, value.name)}" for name, profile in PROFILES.items())
    option: dict[str, Any] = {"default": None, "help": f"{value.meaning} ({standing})"}
    if value.choices:
        return option | {"choices": value.choices}
    if value.kind is bool:
        return option | {"action": argparse.BooleanOptionalAction}
    return option | {"type": value.kind, "metavar": value.name.rpartition("_")[2].upper()}


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """The values that were typed."""
    return {value.name: typed for value in VALUES if (typed := getattr(args, value.name)) is not None}


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.tuning import sft_run

    plan = sft_run.Plan(
        start=Checkpoint.read(args.model),
        resolved=resolve(args.profile, changes(args)),
        data=args.data,
        out=args.out,
        seed=args.seed,
        threads=settings.threads,
    )
    sft_run.run(plan)
    if (args.out / "config.json").exists():  # of several processes the first one writes
        print(f"{args.out}: {sft_run.speed(plan)}; measure it with `zoomin-train evaluate {args.out} --write-card`")
    return 0
