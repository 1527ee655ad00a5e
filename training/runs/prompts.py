"""Prompts of a labeled set, with the truth that their answers are compared with; rendered on demand as serving does.

`Prompt` names files and boxes; `RenderedPrompt` holds the query with its pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import geometry, images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.engine import Query
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.dataset.labeled_image import LabeledImage
from training.runs import completions
from training.runs.completions import ParsedCompletion
from training.synthetic import album, scenes

MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """An image file, its truth, and the crops that Query 2 sees; `crops` is None exactly for Query 1.

    Most labels are a verdict alone: `annotated` is None if nobody was asked to draw, and `reference` is empty if nobody
    explained.
    """

    file: Path
    label: Verdict
    annotated: tuple[BoundingBox, ...] | None
    crops: tuple[BoundingBox, ...] | None = None
    reference: str = ""

    @property
    def is_scan(self) -> bool:
        return self.crops is None


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPrompt:
    """A prompt as the model gets it."""

    prompt: Prompt
    query: Query
    card: CheckpointCard
    image_px: geometry.Size

    def read_completion(self, text: str, *, truncated: bool) -> ParsedCompletion:
        """Parse an answer to this prompt."""
        if not self.prompt.is_scan:
            return completions.read_check_completion(text, truncated=truncated)
        view = self.query.images[0].size
        return completions.read_scan_completion(
            text, frame=self.card.box_frame, view=view, image=self.image_px, truncated=truncated
        )


def load_image(file: Path) -> RgbImage:
    """Read and decode an image. Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    return decode(file.read_bytes(), max_pixels=MAX_PIXELS)


def render_prompt(prompt: Prompt, card: CheckpointCard) -> RenderedPrompt:
    """Build the query that serving would send. Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    image = load_image(prompt.file)
    view = images.build_view(image, card.scan_max_pixels)
    if prompt.crops is None:
        query = prompts.build_global_scan(view, card.box_frame)
    else:
        crops = [images.crop(image, box, card.crop_max_pixels).image for box in prompt.crops]
        query = prompts.build_local_check(view, crops, card.box_frame)
    return RenderedPrompt(prompt, query, card, image.size_px)


def build_scan_prompts(directory: Path, entries: Iterable[LabeledImage]) -> list[Prompt]:
    """Build the prompts of stage 1: Query 1 on each image."""
    return [
        Prompt(
            directory / entry.file,
            entry.label,
            _read_annotated(entry),
            reference=entry.explanations.scan if entry.explanations else "",
        )
        for entry in entries
    ]


def build_one_turn_prompts(directory: Path, entries: Iterable[LabeledImage]) -> list[Prompt]:
    """Build the prompts of stage 2 in one turn: Query 2 without crops, with the reference of Query 1."""
    return [replace(prompt, crops=()) for prompt in build_scan_prompts(directory, entries)]


def build_check_prompts(
    directory: Path,
    entries: Sequence[LabeledImage],
    own: Sequence[Sequence[BoundingBox]],
    *,
    max_crops: int,
    own_fraction: float,
    scan_fraction: float,
    seed: int,
) -> list[Prompt]:
    """Build the prompts of stage 2: Query 2 with crops at the model's own boxes or the annotated ones.

    Of the annotated boxes those get a crop that serving would zoom into; `own` holds no others. Where nobody was asked
    to draw, the crops are at the model's own boxes.
    Some are Query 1, so that it is not forgotten; verdict and boxes alone reward it, so it has no reference.
    """
    rng = np.random.default_rng([seed, 2])
    built = []
    for entry, boxes in zip(entries, own, strict=True):
        scan, annotated = rng.random() < scan_fraction, rng.random() >= own_fraction
        # `geometry.choose_zoomable` without its clipping: annotated boxes lie inside the image.
        use_annotated = annotated and entry.boxes is not None
        chosen = geometry.drop_repeated_boxes(entry.regions)[:max_crops] if use_annotated else boxes
        crops = None if scan else tuple(chosen)
        reference = "" if crops is None else build_check_reference(entry, crops)
        built.append(Prompt(directory / entry.file, entry.label, _read_annotated(entry), crops, reference))
    return built


def _read_annotated(entry: LabeledImage) -> tuple[BoundingBox, ...] | None:
    return None if entry.boxes is None else entry.regions


def build_check_reference(entry: LabeledImage, crops: Sequence[BoundingBox]) -> str:
    """Return the descriptions of these crops in a set that describes each crop, else the set's one text."""
    if entry.explanations is None:
        return ""
    if entry.explanations.check != scenes.describe_crops(entry.shown):
        return entry.explanations.check
    numbers = [album.find_subject(box, entry.regions) for box in crops]
    return scenes.describe_crops([None if number is None else entry.shown[number] for number in numbers])
