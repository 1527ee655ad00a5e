"""Rows of fine-tuning from the entries of a set: serving's own queries with the true answers. Pure.

As in serving, Query 2's row does not hold Query 1's answer. One explanation of a built set supervises both. Where an
image has a verdict alone, its answers are learned as far as people gave them, and never an invented explanation.
Source: paper section 3.3; its one-turn baselines E and E+G.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from pipeline import geometry, prompts, zoomin
from pipeline.checkpoint import CheckpointCard
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox
from training.annotation import annotation
from training.dataset import drawn_crops
from training.dataset.labeled_image import LabeledImage
from training.qwen.tensors import TrainingExample
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt, RenderedPrompt
from training.sft.profiles import Variant


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts to learn from, and the files without an explanation, whose rows teach verdict and boxes alone."""

    prompts: list[Prompt]
    unexplained: list[str]


@dataclass(frozen=True, slots=True)
class CropDraws:
    """What crops are drawn from: a seed, and the sizes of images by file. An image's crops depend on it alone."""

    seed: int
    sizes: Mapping[str, geometry.Size]

    def draw_boxes(self, entry: LabeledImage, max_crops: int) -> tuple[BoundingBox, ...]:
        """Draw boxes like a model's for the annotated ones of an image; they pass the choice that serving makes."""
        size = self.sizes[entry.file]
        name = int.from_bytes(blake2b(entry.file.encode(), digest_size=8).digest())
        rng = np.random.default_rng([self.seed, name])
        regions = geometry.choose_zoomable(entry.regions, size, max_crops)
        drawn = drawn_crops.draw_crops(
            rng,
            len(regions),
            lambda number: drawn_crops.jitter_box(rng, regions[number], size),
            lambda: drawn_crops.draw_stray_box(rng, size),
        )
        return tuple(geometry.choose_zoomable(drawn, size, max_crops))


def build_prompts(
    directory: Path, entries: Iterable[LabeledImage], variant: Variant, max_crops: int, draws: CropDraws | None = None
) -> PromptSet:
    """Build the prompts of each image: Query 1 and Query 2, or its one turn.

    Query 2 has the crops of `draws`, or those at the annotated boxes. One turn with boxes is Query 1 alone, one without
    is Query 2 without crops; evaluation asks the same. A reference is empty if no answer may hold the explanation.
    """
    built: list[Prompt] = []
    unexplained: list[str] = []
    for entry in entries:
        if not _read_explanation(entry.explanation):
            unexplained.append(entry.file)
        built += _build_entry_prompts(directory, entry, variant, max_crops, draws)
    return PromptSet(built, unexplained)


def _build_entry_prompts(
    directory: Path, entry: LabeledImage, variant: Variant, max_crops: int, draws: CropDraws | None
) -> list[Prompt]:
    (scan,) = run_prompts.build_scan_prompts(directory, [entry])
    scan = replace(scan, reference=_read_explanation(scan.reference))
    if variant == "one_turn_e":
        return [replace(scan, crops=())]
    if variant == "one_turn_eg":
        return [scan]
    crops = tuple(geometry.drop_repeated_boxes(entry.regions)[:max_crops])
    reference = _read_explanation(run_prompts.build_check_reference(entry, crops))
    if draws is not None:
        crops = draws.draw_boxes(entry, max_crops)
        # Descriptions of crops may be shorter than any explanation: "Crop 1: plain ground."
        reference = reference and annotation.reduce_prose(run_prompts.build_check_reference(entry, crops))
    return [scan, replace(scan, crops=crops, reference=reference)]


def _read_explanation(text: str) -> str:
    """Return the prose that an answer may hold; empty if there is none."""
    try:
        return annotation.parse_explanation(text)
    except AnswerUnreadable:
        return ""


def build_example(prompt: Prompt, card: CheckpointCard, box_grid: int) -> TrainingExample:
    """Render the query and its true answer. Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    rendered = run_prompts.render_prompt(prompt, card)
    return TrainingExample(rendered.query, render_answer(rendered, box_grid))


def render_answer(rendered: RenderedPrompt, box_grid: int) -> str:
    """Write the truth in the form of the query, its boxes in the frame and on the grid of the model's coordinates."""
    prompt = rendered.prompt
    if not prompt.is_scan:
        return prompts.render_check(prompt.label, prompt.reference)
    frame = zoomin.THOUSAND if rendered.card.box_frame == "thousand" else rendered.query.images[0].size
    boxes = (_to_grid(box, rendered.image_px, frame, box_grid) for box in prompt.annotated or ())
    return prompts.render_scan(prompt.label, [box for box in boxes if box is not None], prompt.reference)


def find_learned_end(prompt: Prompt, answer: str) -> int | None:
    """Return the number of characters that are learned of an answer, from its start; None for all and its end.

    They end behind the last part that people gave. The explanation of Query 1 follows its boxes, so it is learned only
    if they are known too.
    """
    boxes_known = not prompt.is_scan or prompt.annotated is not None
    if prompt.reference and boxes_known:
        return None
    last = "</boxes>" if prompt.is_scan and boxes_known else "</verdict>"
    return answer.index(last) + len(last)


def _to_grid(
    box: BoundingBox, image: geometry.Size, frame: geometry.Size, grid: int
) -> tuple[int, int, int, int] | None:
    """Return None for a box that lies outside the image, or is lost between two lines of the grid."""
    inside = geometry.clip(box.corners, image)
    if inside is None:
        return None
    x1, y1, x2, y2 = (
        round(edge / grid) * grid for edge in geometry.rescale(inside.corners, from_size=image, to_size=frame)
    )
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None
