"""Options and output of dry runs, and the check of a training run before its model is loaded."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli.numbers import parse_positive

if TYPE_CHECKING:
    from training.dry_run.gpus import Gpus
    from training.dry_run.step import DryStep
    from training.dry_run.training_verb import TrainingVerb

ASSUMED_GPUS, ASSUMED_MEMORY_GIB = 8, 80


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` and the GPUs that it plans for."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print command, files, values and memory and end; MODEL may be 3b, 7b or 32b where the verb takes one",
    )
    add_gpus(parser)


def add_gpus(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the GPUs of another machine."""
    parser.add_argument(
        "--gpus",
        type=parse_positive,
        metavar="N",
        help=f"dry run: so many (default: this machine's, or {ASSUMED_GPUS} where there is none)",
    )
    parser.add_argument(
        "--gpu-memory-gib",
        type=parse_positive,
        metavar="GIB",
        help=f"dry run: memory of each (default: this machine's, or {ASSUMED_MEMORY_GIB} where there is none)",
    )


def read_planned_gpus(args: argparse.Namespace) -> "Gpus":
    """Return the GPUs that a dry run plans for: those of the options, else this machine's, else eight of 80 GiB."""
    from training.dry_run.gpus import GIB, Gpus, read_gpus

    here = read_gpus() or Gpus(ASSUMED_GPUS, ASSUMED_MEMORY_GIB * GIB)
    memory_bytes = args.gpu_memory_gib * GIB if args.gpu_memory_gib else here.memory_bytes
    return Gpus(args.gpus or here.count, memory_bytes)


def show_training(args: argparse.Namespace, describe: Callable[["Gpus"], "TrainingVerb"]) -> int:
    """Print a training verb's plan on the GPUs of a dry run, and return the exit code."""
    from training.dry_run import training_verb
    from training.dry_run.gpus import list_placements

    gpus = read_planned_gpus(args)
    step = training_verb.plan_training(describe(gpus), gpus, list_placements(gpus.count))
    return show_steps([step], gpus)


def refuse_unfit(describe: Callable[["Gpus"], "TrainingVerb"]) -> None:
    """Refuse a run that this machine's GPUs or disk cannot hold, before its model is loaded; nothing without a GPU.

    Raises: BadSettings, with the figures and the command that fits.
    """
    from training.dry_run import training_verb
    from training.dry_run.gpus import read_gpus, read_placement

    if gpus := read_gpus():
        step = training_verb.plan_training(describe(gpus), gpus, [read_placement()])
        if step.refusal:
            raise BadSettings(step.refusal)


def show_steps(steps: Sequence["DryStep"], gpus: "Gpus", *, as_json: bool = False) -> int:
    """Print the steps and return the exit code: 2 where one is refused."""
    from training.dry_run.step import format_step

    if as_json:
        print(json.dumps({"gpus": gpus.count, "gpu_memory_bytes": gpus.memory_bytes, "steps": [s.to_json() for s in steps]}))
    else:
        print(f"planned for {gpus}; nothing is started\n")
        print("\n\n".join(format_step(step, gpus) for step in steps))
    return 2 if any(step.refusal for step in steps) else 0
