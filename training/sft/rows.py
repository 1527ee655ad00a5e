"""Pure: entries of a set to the rows of fine-tuning: the queries that serving asks, with the answers of the truth.

Query 1's answer is not in Query 2's row, as in serving; one explanation of a built set supervises both.
Source: paper section 3.3; its one-turn baselines E and E+G.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import geometry, prompts, zoomin
from pipeline.checkpoint import CheckpointCard
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox
from training.annotation import annotation
from training.dataset.manifest import Entry
from training.qwen.tensors import Row
from training.runs import prompts as run_prompts
from training.runs.prompts import Posed, Question
from training.sft.profiles import Variant


@dataclass(frozen=True, slots=True)
class Rows:
    """What to learn from, and the files that give nothing because nobody explained them."""

    questions: list[Question]
    unexplained: list[str]


def rows(directory: Path, entries: Iterable[Entry], variant: Variant, max_crops: int) -> Rows:
    """Of each explained image: Query 1 and Query 2 with annotated crops, or its one turn.

    One turn with boxes is Query 1 alone, one without is Query 2 without crops: a model is asked as it was trained.
    """
    drawn: list[Question] = []
    unexplained: list[str] = []
    for entry in entries:
        try:
            drawn += _of_entry(directory, entry, variant, max_crops)
        except AnswerUnreadable:
            unexplained.append(entry.file)
    return Rows(drawn, unexplained)


def _of_entry(directory: Path, entry: Entry, variant: Variant, max_crops: int) -> Iterator[Question]:
    """Raises: AnswerUnreadable where there is no explanation that an answer may hold."""
    (scan,) = run_prompts.scans(directory, [entry])
    scan = replace(scan, reference=annotation.read_explanation(scan.reference))
    if variant != "one_turn_e":
        yield scan
    if variant == "two_turn":
        crops = tuple(geometry.distinct(entry.regions)[:max_crops])
        said = annotation.read_explanation(run_prompts.check_reference(entry, crops))
        yield replace(scan, crops=crops, reference=said)
    if variant == "one_turn_e":
        yield replace(scan, crops=())


def row(question: Question, card: CheckpointCard, box_grid: int) -> Row:
    """Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    posed = run_prompts.pose(question, card)
    return Row(posed.query, answer(posed, box_grid))


def answer(posed: Posed, box_grid: int) -> str:
    """The truth in the form of the query, its boxes in the frame and on the grid that the model counts in."""
    asked = posed.question
    if not asked.is_scan:
        return prompts.render_check(asked.label, asked.reference)
    frame = zoomin.THOUSAND if posed.card.box_frame == "thousand" else posed.query.images[0].size
    told = (_told(box, posed.image_px, frame, box_grid) for box in asked.annotated)
    return prompts.render_scan(asked.label, [box for box in told if box is not None], asked.reference)


def _told(box: BoundingBox, image: geometry.Size, frame: geometry.Size, grid: int) -> tuple[int, int, int, int] | None:
    """None for a box that lies outside the image, or is lost between two lines of the grid."""
    inside = geometry.clip(box.corners, image)
    if inside is None:
        return None
    x1, y1, x2, y2 = (
        round(edge / grid) * grid for edge in geometry.rescale(inside.corners, from_size=image, to_size=frame)
    )
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None
