"""Sentences about the progress of what takes long, for who started it."""

from collections.abc import Callable

Notify = Callable[[str], None]


def ignore(_: str) -> None:
    """Drop a sentence."""
