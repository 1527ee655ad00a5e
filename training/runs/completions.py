"""Completions that a model in training writes, read by the product's own parser."""

from dataclasses import dataclass

from pipeline import geometry, parse, zoomin
from pipeline.checkpoint import BoxFrame
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Verdict


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as the parser reads it; `verdict` is None where it cannot, and then the rest is empty."""

    verdict: Verdict | None
    regions: tuple[BoundingBox, ...] = ()
    explanation: str = ""


UNREADABLE = Answered(None)


def read_scan(
    text: str, *, frame: BoxFrame, view: geometry.Size, image: geometry.Size, truncated: bool = False
) -> Answered:
    """An answer to Query 1, its boxes as regions of an image of size `image` that the model saw in size `view`."""
    try:
        verdict, boxes, explanation = parse.global_scan(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return Answered(verdict, zoomin.place(boxes, frame=frame, view=view, image=image), explanation)


def read_check(text: str, *, truncated: bool = False) -> Answered:
    """An answer to Query 2."""
    try:
        verdict, explanation = parse.local_check(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return Answered(verdict, (), explanation)
