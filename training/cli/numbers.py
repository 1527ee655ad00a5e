"""Numbers as people type them on a command line: what argparse's `type` takes."""

import argparse


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def training_seed(text: str) -> int:
    number = natural(text)
    if number > 60:
        raise argparse.ArgumentTypeError("must be 60 or less: scenes of higher numbers are held out")
    return number


def fraction(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError("must lie between 0 and 1, neither of them")
    return number
