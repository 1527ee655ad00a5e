"""`zoomin-train scenes`: scenes with known truth, or photographs with their artifacts planted, as files."""

import argparse
from pathlib import Path

from training.cli.numbers import parse_natural, parse_positive
from training.settings import TrainSettings
from training.synthetic.scenes import HELD_OUT_SEED, UNTRAINED_SEED

HELP = "draw scenes with known truth, or plant their artifacts in photographs"
EXAMPLE = "zoomin-train scenes --count 60 --out build/scenes"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count", type=parse_positive, default=60, metavar="N", help="how many (default 60), half of them real"
    )
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument(
        "--seed",
        type=parse_natural,
        default=HELD_OUT_SEED,
        metavar="S",
        help=f"first seed (default {HELD_OUT_SEED}: held out); training takes seeds below {UNTRAINED_SEED}",
    )
    drawn.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="draw none: at most N frames of the real photographs there, in pairs, one of each with artifacts planted",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="directory for images and manifest.jsonl"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.synthetic import photo_folder, scene_files

    if args.photographs:
        print(photo_folder.write_photographs(args.out, args.photographs, args.count, settings.workers))
        return 0
    print(scene_files.write_scenes(args.out, count=args.count, first_seed=args.seed, workers=settings.workers))
    return 0
