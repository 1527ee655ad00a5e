"""Options and output of dry runs, and the check of a training run before its model is loaded."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli.numbers import parse_positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.common.machine import Gpus
    from training.dry_run.step import DryStep
    from training.dry_run.training_verb import TrainingVerb

_DRY_RUN, _GPUS, _MEMORY, _HOST_MEMORY = "--dry-run", "--gpus", "--gpu-memory-gib", "--host-memory-gib"
ASSUMED_GPUS, ASSUMED_MEMORY_GIB = 8, 80
ASSUMED_HOST_GIB = 128
"""of the machine's memory for each of its GPUs, little among machines that are rented"""


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run`."""
    parser.add_argument(_DRY_RUN, action="store_true", help="print command, files, values and needs, and end")


def add_planned_gpus(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` of a verb that loads a model, and the GPUs that it plans for."""
    parser.add_argument(
        _DRY_RUN,
        action="store_true",
        help="print command, files, values and memory, and end; MODEL may be 3b, 7b or 32b, without weights",
    )
    add_gpus(parser)


def add_gpus(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe another machine and its GPUs."""
    parser.add_argument(
        _GPUS,
        type=parse_positive,
        metavar="N",
        help=f"plan for so many GPUs (default: those of this machine, or {ASSUMED_GPUS} where it has none)",
    )
    parser.add_argument(
        _MEMORY,
        type=parse_positive,
        metavar="GIB",
        help=f"memory of each of these GPUs (default: as in this machine, or {ASSUMED_MEMORY_GIB} where it has none)",
    )
    parser.add_argument(
        _HOST_MEMORY,
        type=parse_positive,
        metavar="GIB",
        help="memory of the machine itself, which all processes share (default: that of this machine where it has GPUs "
        f"and none of these options is given, else {ASSUMED_HOST_GIB} for each GPU)",
    )


def read_planned_gpus(args: argparse.Namespace) -> "Gpus":
    """Return the GPUs that a dry run plans for: those of the options, else this machine's, else eight of 80 GiB."""
    from training.common.machine import GIB, Gpus, Machine

    here = Machine.read().gpus
    if here and not (args.gpus or args.gpu_memory_gib or args.host_memory_gib):
        return here
    count = args.gpus or (here.count if here else ASSUMED_GPUS)
    each = args.gpu_memory_gib * GIB if args.gpu_memory_gib else here.memory_bytes if here else ASSUMED_MEMORY_GIB * GIB
    return Gpus(count, each, (args.host_memory_gib or count * ASSUMED_HOST_GIB) * GIB)


def list_words(args: argparse.Namespace) -> list[str]:
    """Return the words that were typed, without the options of the dry run."""
    words: list[str] = []
    typed = iter(args.typed)
    for word in typed:
        option, _, value = word.partition("=")
        if option in (_GPUS, _MEMORY, _HOST_MEMORY):
            next(typed if not value else iter(()), None)
        elif word != _DRY_RUN:
            words.append(word)
    return words


def show_training(args: argparse.Namespace, describe: Callable[["Gpus"], "TrainingVerb"]) -> int:
    """Print a training verb's plan on the GPUs of a dry run, and return the exit code."""
    from training.dry_run import training_verb
    from training.dry_run.launch import list_launches

    gpus = read_planned_gpus(args)
    step = training_verb.plan_training(describe(gpus), gpus, list_launches(gpus.count))
    return show_steps([step], gpus)


def show_engine(args: argparse.Namespace, settings: TrainSettings, *, writes: Sequence[str]) -> int:
    """Print the plan of a verb that asks an engine, and return the exit code."""
    from training.dry_run import engine_verb
    from training.dry_run.shape import ModelShape
    from training.engine.run import build_setup

    gpus, model = read_planned_gpus(args), str(args.model)
    step = engine_verb.plan_engine_verb(
        args.verb,
        ["zoomin-train", *list_words(args)],
        ModelShape.read(model),
        build_setup(settings).options,
        gpus,
        setting=engine_verb.TRAIN_SETTING,
        reads=[model, str(args.data or "scenes that it draws")],
        writes=writes,
    )
    return show_steps([step], gpus, as_json=args.json)


def refuse_unfit(describe: Callable[["Gpus"], "TrainingVerb"]) -> None:
    """Refuse a run that this machine's GPUs or disk cannot hold, before its model is loaded; nothing without a GPU.

    Raises: BadSettings, with the figures and the command that fits.
    """
    from training.common.machine import Machine
    from training.dry_run import disk, training_verb
    from training.dry_run.launch import read_launch

    if gpus := Machine.read().gpus:
        step = training_verb.plan_training(describe(gpus), gpus, [read_launch()])
        if step.refusal:
            raise BadSettings(step.refusal)
        if step.disk:
            disk.refuse_full_disk(Path(step.writes[0]), step.disk)


def show_steps(steps: Sequence["DryStep"], gpus: "Gpus | None" = None, *, as_json: bool = False) -> int:
    """Print the steps and return the exit code: 2 where one is refused. Without `gpus` no step needs any."""
    from training.dry_run.step import format_step

    refused = [step for step in steps if step.refusal]
    if as_json:
        machine = (
            {"gpus": gpus.count, "gpu_memory_bytes": gpus.memory_bytes, "host_memory_bytes": gpus.host_bytes}
            if gpus
            else {}
        )
        print(json.dumps({**machine, "steps": [step.to_json() for step in steps]}))
    else:
        print(f"planned{f' for {gpus.describe_machine()}' if gpus else ''}; nothing is started\n")
        print("\n\n".join(format_step(step, gpus) for step in steps))
        if refused and len(steps) > 1:
            print(f"\nrefused: {', '.join(step.title for step in refused)}; the last line of each names what fits")
        elif len(steps) > 1:
            print(f"\nall {len(steps)} steps can run, one after the other")
    return 2 if refused else 0
