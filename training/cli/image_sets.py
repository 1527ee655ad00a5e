"""The options for the images that a verb measures on, and for the image sets of the paper's tables."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.numbers import parse_positive
from training.paper.reported import BENCHMARKS

if TYPE_CHECKING:
    from training.paper.report_sets import SetOptions


def add_images(parser: argparse.ArgumentParser, *, count: int) -> None:
    """Add the options for one set: where it lies, and `count` of its images unless the user says otherwise."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument(
        "--count", type=parse_positive, default=count, metavar="N", help="images of that set (default %(default)s)"
    )


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the image sets of the tables, which detectors also score."""
    add_images(parser, count=400)
    parser.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="real photographs to plant the scenes' artifacts in, for table 2: as many frames as images of that set",
    )
    for name, title in BENCHMARKS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"{title} as published, for table 2")
    parser.add_argument(
        "--benchmark-count",
        type=parse_positive,
        default=10_000,
        metavar="N",
        help="images of each of those at most (default 10000)",
    )
    parser.add_argument(
        "--trained-on",
        type=Path,
        metavar="SET",
        help="the training set: what it holds of those is left out, and others are drawn in its place",
    )


def build_set_options(args: argparse.Namespace) -> "SetOptions":
    from training.paper.report_sets import SetOptions

    return SetOptions(
        data=args.data,
        count=args.count,
        photographs=args.photographs,
        benchmarks={name: directory for name in BENCHMARKS if (directory := getattr(args, name))},
        benchmark_count=args.benchmark_count,
        training_set=args.trained_on,
    )
