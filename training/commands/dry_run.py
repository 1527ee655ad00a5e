"""`zoomin-train dry-run`: the whole way from images to a worker, planned for a model and GPUs."""

import argparse
from pathlib import Path
from typing import get_args

from training.cli import dry_runs
from training.runs.profiles import ProfileName
from training.settings import TrainSettings

HELP = "print every command of the whole way with its memory plan, and refuse what cannot fit"
EXAMPLE = "zoomin-train dry-run --model-size 7b --gpus 8 --gpu-memory-gib 80"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-size",
        default="7b",
        metavar="S",
        help="3b, 7b, 32b, or the directory of a checkpoint (default %(default)s); sizes need no weights",
    )
    dry_runs.add_gpus(parser)
    parser.add_argument("--lora", action="store_true", help="train adapters in both kinds of training")
    parser.add_argument(
        "--profile",
        choices=get_args(ProfileName),
        default="production",
        help="profile of both trainings (default %(default)s)",
    )
    parser.add_argument(
        "--source", default="photos/", metavar="SOURCE", help="images that `build` reads (default %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("sets/magnifake"), metavar="DIR", help="the set (default %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build"),
        metavar="DIR",
        help="directory of the checkpoints (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object; memory in bytes on each GPU")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    del settings
    from training.dry_run import chain

    gpus = dry_runs.read_planned_gpus(args)
    way = chain.Way(
        model=args.model_size,
        source=args.source,
        data=args.data,
        out=args.out,
        profile=args.profile,
        changes={"trained": "lora"} if args.lora else {},
        gpus=gpus,
    )
    return dry_runs.show_steps(chain.plan_way(way), gpus, as_json=args.json)
