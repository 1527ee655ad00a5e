"""`zoomin-train scenes`: scenes with known truth as files."""

import argparse
from pathlib import Path

from training.commands.numbers import natural, positive
from training.settings import TrainSettings
from training.synthetic.scenes import HELD_OUT_SEED

HELP = "draw scenes with known truth"
EXAMPLE = "zoomin-train scenes --count 60 --out build/scenes"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count", type=positive, default=60, metavar="N", help="how many (default 60), half of them real"
    )
    parser.add_argument(
        "--seed",
        type=natural,
        default=HELD_OUT_SEED,
        metavar="S",
        help=f"first seed (default {HELD_OUT_SEED}: held out)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="directory for images and manifest.jsonl"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training import manifest

    print(manifest.write_scenes(args.out, count=args.count, first_seed=args.seed, workers=settings.workers))
    return 0
