"""`zoomin-train tiny`: the tiny model from nothing."""

import argparse
from pathlib import Path

from training.commands.numbers import training_seed
from training.settings import TrainSettings

HELP = "train the tiny model from nothing; goes on where a killed run stopped"
EXAMPLE = "zoomin-train tiny --seed 1 --out build/tiny"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("models/zoomin-tiny"), metavar="DIR", help="(default %(default)s)"
    )
    parser.add_argument("--seed", type=training_seed, default=0, metavar="S", help="0 to 60 (default 0)")
    parser.add_argument("--minutes", type=float, default=30.0, metavar="M", help="at most (default 30)")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.tiny_model import tiny

    plan = tiny.Plan(seed=args.seed, minutes=args.minutes, threads=settings.threads, workers=settings.workers)
    tiny.make(plan, out=args.out, cache=settings.cache_directory)
    print(f"{args.out}: measure it with `zoomin-train evaluate {args.out} --write-card`")
    return 0
