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

_DRY_RUN, _GPUS, _MEMORY = "--dry-run", "--gpus", "--gpu-memory-gib"
ASSUMED_GPUS, ASSUMED_MEMORY_GIB = 8, 80


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
    """Add the options that describe the GPUs of another machine."""
    parser.add_argument(
        _GPUS,
        type=parse_positive,
        metavar="N",
        help=f"dry run: so many (default: this machine's, or {ASSUMED_GPUS} where there is none)",
    )
    parser.add_argument(
        _MEMORY,
        type=parse_positive,
        metavar="GIB",
        help=f"dry run: memory of each (default: this machine's, or {ASSUMED_MEMORY_GIB} where there is none)",
    )


def read_planned_gpus(args: argparse.Namespace) -> "Gpus":
    """Return the GPUs that a dry run plans for: those of the options, else this machine's, else eight of 80 GiB."""
    from training.common.machine import GIB, Gpus, Machine

    here = Machine.read().gpus or Gpus(ASSUMED_GPUS, ASSUMED_MEMORY_GIB * GIB)
    memory_bytes = args.gpu_memory_gib * GIB if args.gpu_memory_gib else here.memory_bytes
    return Gpus(args.gpus or here.count, memory_bytes)


def list_words(args: argparse.Namespace) -> list[str]:
    """Return the words that were typed, without the options of the dry run."""
    words: list[str] = []
    typed = iter(args.typed)
    for word in typed:
        option, _, value = word.partition("=")
        if option in (_GPUS, _MEMORY):
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

    if as_json:
        machine = {"gpus": gpus.count, "gpu_memory_bytes": gpus.memory_bytes} if gpus else {}
        print(json.dumps({**machine, "steps": [step.to_json() for step in steps]}))
    else:
        print(f"planned{f' for {gpus}' if gpus else ''}; nothing is started\n")
        print("\n\n".join(format_step(step, gpus) for step in steps))
    return 2 if any(step.refusal for step in steps) else 0
