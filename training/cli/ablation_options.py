"""The options of `paper-tables` for rows of table 1 that are trained, as typed on the command line."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.cli.numbers import parse_positive, parse_training_seed
from training.paper.ablations import ABLATIONS, OWN, AblationBudget
from training.runs.profiles import ProfileName

if TYPE_CHECKING:
    from training.paper.ablation_rows import AblationOptions


def add_ablation_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser that has --model."""
    options = parser.add_argument_group("rows that are other trainings; their figures are kept in variants.json")
    _add_rows(options)
    _add_training(options)


def _add_rows(options: "argparse._ArgumentGroup") -> None:
    options.add_argument(
        "--train",
        nargs="*",
        choices=list(ABLATIONS),
        metavar="ROW",
        help=f"train and judge them first: these, or all that are not recorded yet ({', '.join(ABLATIONS)}; "
        f"{OWN} is the model's own row with the budget of the others)",
    )
    options.add_argument(
        "--record",
        nargs=2,
        action="append",
        default=[],
        metavar=("ROW", "DIR"),
        help="judge a checkpoint that was trained elsewhere as this row; may be given for several rows",
    )


def _add_training(options: "argparse._ArgumentGroup") -> None:
    """Add what all trained rows have in common: start, data and budget."""
    options.add_argument(
        "--start", type=Path, metavar="DIR", help="the fine-tuned checkpoint that all start from (default: MODEL)"
    )
    options.add_argument(
        "--base",
        type=Path,
        metavar="DIR",
        help="the untrained checkpoint (with profile tiny: made from random weights)",
    )
    options.add_argument("--train-data", type=Path, metavar="DIR", help="set to learn from (default: scenes)")
    options.add_argument(
        "--profile", choices=get_args(ProfileName), default="tiny", help="where values come from (default %(default)s)"
    )
    options.add_argument("--lora", action="store_true", help="train adapters that are merged, not all parameters")
    options.add_argument(
        "--steps", type=parse_positive, metavar="N", help="GRPO steps of a row (default: both stages of the profile)"
    )
    options.add_argument("--prompts", type=parse_positive, metavar="N", help="prompts a step (default: the profile's)")
    options.add_argument(
        "--generations", type=parse_positive, metavar="N", help="answers a prompt (default: the profile's)"
    )
    options.add_argument("--seed", type=parse_training_seed, default=0, metavar="S", help="0 to 60 (default 0)")


def build_ablation_options(args: argparse.Namespace) -> "AblationOptions":
    import torch  # it takes seconds, and the options are made for --help too

    from training.paper.ablation_rows import AblationOptions

    return AblationOptions(
        rows=tuple(args.train),
        start=args.start or args.model,
        base=args.base,
        data=args.train_data,
        budget=AblationBudget.build(
            args.profile,
            steps=args.steps,
            prompts=args.prompts,
            generations=args.generations,
            lora=args.lora,
            on_gpu=torch.cuda.is_available(),
        ),
        seed=args.seed,
    )


def read_outside(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Return the rows that `--record` names, each with its directory; the last directory of a row counts."""
    return list({row: Path(directory) for row, directory in args.record}.items())
