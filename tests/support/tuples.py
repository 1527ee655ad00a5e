"""Tuples of a built set for tests that need no images."""

from dataclasses import replace
from typing import Any

from pipeline.verdict import BoundingBox, Verdict
from training.dataset.tuples import Split, Tuple

PLAIN = Tuple(
    sha256="00" * 32,
    label=Verdict.REAL,
    split=Split.TRAIN,
    group="00" * 32,
    explanation="The shadows of both cups fall to the left.",
    boxes=(BoundingBox(10, 20, 110, 220),),
    shown=("a cup",),
    annotated_by="the source",
    source="web",
    source_file="real/cup.jpg",
    source_sha256="11" * 32,
    source_format="jpeg",
    source_size_px=(640, 480),
    source_bytes=54_321,
    perceptual_hash="22" * 32,
)


def tuple_number(number: int, **fields: Any) -> Tuple:
    """A tuple of its own digest and group; real ones have even numbers."""
    digest = f"{number:064x}"
    label = Verdict.GENERATED if number % 2 else Verdict.REAL
    return replace(PLAIN, **{"sha256": digest, "group": digest, "label": label} | fields)
