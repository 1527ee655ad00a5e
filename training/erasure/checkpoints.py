"""Checkpoints on this machine that were trained on a set, by the digest that their card names."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings


@dataclass(frozen=True, slots=True)
class TrainedCheckpoint:
    directory: Path
    revision: str


def find_trained_checkpoints(directory: Path, trained_on: Collection[str]) -> Iterator[TrainedCheckpoint]:
    """Yield the checkpoints below a directory that were trained on one of the sets.

    The weights of these alone are read, for their revision.
    """
    for card in sorted(directory.rglob(CARD_NAME)):
        if _read_trained_on(card) in trained_on:
            try:
                yield TrainedCheckpoint(card.parent, Checkpoint.read(card.parent).revision)
            except BadSettings as error:
                yield TrainedCheckpoint(card.parent, f"unknown: {error.detail}")


def _read_trained_on(card: Path) -> object:
    try:
        fields = json.loads(card.read_bytes())
    except (OSError, ValueError):
        return None
    return fields.get("trained_on") if isinstance(fields, dict) else None
