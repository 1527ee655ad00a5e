"""Numbers as users type them on a command line, for argparse's `type`."""

import argparse


def parse_positive(text: str) -> int:
    number = _parse_int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def parse_natural(text: str) -> int:
    number = _parse_int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def parse_training_seed(text: str) -> int:
    number = parse_natural(text)
    if number > 60:
        raise argparse.ArgumentTypeError("must be 60 or less: scenes of higher numbers are held out")
    return number


def parse_fraction(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from error
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError("must lie between 0 and 1, neither of them")
    return number


def parse_share(text: str) -> float:
    return 0.0 if text == "0" else parse_fraction(text)


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from error
