"""`zoomin-train sft`: fine-tuning on both queries."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli import dry_runs, values
from training.cli.numbers import parse_natural
from training.runs.profile_choice import ProfileChoice
from training.settings import TrainSettings
from training.sft.profiles import PROFILES, VALUES, resolve_sft_profile

if TYPE_CHECKING:
    from training.dry_run.training_verb import TrainingVerb
    from training.sft.run import SftOutcome
    from training.sft.run_config import SftRun

HELP = "fine-tune any Qwen2.5-VL on a labeled set; goes on where a killed run stopped"
EXAMPLE = "zoomin-train sft MODEL --data build/magnifake --config infra/training/sft.yaml --epochs 1 --out build/sft"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint to start from")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="set of `zoomin-train build` or `scenes`"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the new checkpoint")
    parser.add_argument(
        "--validation-data",
        type=Path,
        metavar="DIR",
        help="with --kept better: set that decides (default: validation split of --data)",
    )
    parser.add_argument(
        "--refused",
        type=Path,
        metavar="DIR",
        help="with --kept better: where the last weights go when the start is kept",
    )
    parser.add_argument("--seed", type=parse_natural, default=0, metavar="S", help="of the rows' order (default 0)")
    dry_runs.add_planned_gpus(parser)
    values.add_profile(parser, VALUES, PROFILES)


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    choice = values.read_choice(args, VALUES)
    resolved = resolve_sft_profile(choice.name, choice.changes, choice.file)
    if args.dry_run:
        return dry_runs.show_training(args, lambda _: _describe(args, choice))
    dry_runs.refuse_unfit(lambda _: _describe(args, choice))
    from pipeline.checkpoint import Checkpoint
    from training.runs import run_log
    from training.sft import run as sft_run
    from training.sft.run_config import SftRun

    sft = SftRun(
        start=Checkpoint.read(args.model),
        resolved=resolved,
        data=args.data,
        out=args.out,
        seed=args.seed,
        threads=settings.threads,
        validation=args.validation_data or args.data,
        refused=args.refused,
    )
    if outcome := sft_run.run_sft(sft):  # of several processes the first one writes
        print(run_log.summarize_speed(sft_run.open_sft_log(sft).read()))
        _print_outcome(outcome, sft)
    return 0


def _print_outcome(outcome: "SftOutcome", sft: "SftRun") -> None:
    if outcome.validated:
        print(f"start:     {outcome.validated.start}\npublished: {outcome.validated.published}")
        print(outcome.validated.describe(sft.out, sft.refused))
        return
    print(f"{sft.out} holds the last weights, which nothing has validated: {outcome.surviving}")
    print(f"measure it with `zoomin-train evaluate {sft.out} --write-card`, or let --kept better decide")


def _describe(args: argparse.Namespace, choice: ProfileChoice) -> "TrainingVerb":
    from training.dry_run import training_verb
    from training.dry_run.shape import ModelShape

    model, data, out = str(args.model), str(args.data), str(args.out)
    words = dry_runs.list_words(args)
    return training_verb.describe_sft(ModelShape.read(model), words, choice, reads=[model, data], out=out)
