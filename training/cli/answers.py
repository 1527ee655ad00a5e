"""The option of commands that keep a model's answers: `--fresh`."""

import argparse


def add_fresh(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="ask everything again; else what earlier or killed runs were answered is taken from disk",
    )
