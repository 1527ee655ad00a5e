"""Completions of a model in training, parsed by the product's own parser."""

from dataclasses import dataclass

from pipeline import geometry, parse, zoomin
from pipeline.checkpoint import BoxFrame
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Verdict


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """One answer as the parser reads it; `verdict` is None when it cannot, and then the rest is empty."""

    verdict: Verdict | None
    regions: tuple[BoundingBox, ...] = ()
    explanation: str = ""


UNREADABLE = ParsedCompletion(None)


def read_scan_completion(
    text: str, *, frame: BoxFrame, view: geometry.Size, image: geometry.Size, truncated: bool = False
) -> ParsedCompletion:
    """Parse an answer to Query 1; its boxes become regions of an image of size `image`, shown in size `view`."""
    try:
        verdict, boxes, explanation = parse.parse_global_scan(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return ParsedCompletion(verdict, zoomin.place_boxes(boxes, frame=frame, view=view, image=image), explanation)


def read_check_completion(text: str, *, truncated: bool = False) -> ParsedCompletion:
    """Parse an answer to Query 2."""
    try:
        verdict, explanation = parse.parse_local_check(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return ParsedCompletion(verdict, (), explanation)
