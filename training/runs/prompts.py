"""The prompts of each GRPO stage, with what their answers are rewarded by: serving's own queries, posed on demand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import geometry, images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Query
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.dataset.manifest import Entry
from training.runs import completions
from training.runs.completions import Answered
from training.synthetic import album, scenes

MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt: a file, its truth, and what Query 2 sees enlarged; `crops` is None exactly for Query 1."""

    file: Path
    label: Verdict
    annotated: tuple[BoundingBox, ...]
    crops: tuple[BoundingBox, ...] | None = None
    reference: str = ""

    @property
    def is_scan(self) -> bool:
        return self.crops is None


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A question as the model gets it."""

    question: Question
    query: Query
    card: CheckpointCard
    image_px: geometry.Size

    def read(self, text: str, *, truncated: bool) -> Answered:
        if not self.question.is_scan:
            return completions.read_check(text, truncated=truncated)
        view = self.query.images[0].size
        return completions.read_scan(
            text, frame=self.card.box_frame, view=view, image=self.image_px, truncated=truncated
        )


def load(file: Path) -> RgbImage:
    """Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    return images.decode(file.read_bytes(), max_pixels=MAX_PIXELS)


def pose(question: Question, card: CheckpointCard) -> Posed:
    """Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    image = load(question.file)
    view = images.view(image, card.scan_max_pixels)
    if question.crops is None:
        query = prompts.global_scan(view, card.box_frame)
    else:
        crops = [images.crop(image, box, card.crop_max_pixels).pixels for box in question.crops]
        query = prompts.local_check(view, crops, card.box_frame)
    return Posed(question, query, card, image.size_px)


def scans(directory: Path, entries: Iterable[Entry]) -> list[Question]:
    """Stage 1: Query 1 on each image."""
    return [
        Question(
            directory / entry.file,
            entry.label,
            entry.regions,
            reference=entry.explanations.scan if entry.explanations else "",
        )
        for entry in entries
    ]


def uncropped(directory: Path, entries: Iterable[Entry]) -> list[Question]:
    """Stage 2 in one turn: Query 2 on the image without crops, of which it is to say what Query 1 would."""
    return [replace(question, crops=()) for question in scans(directory, entries)]


def checks(
    directory: Path,
    entries: Sequence[Entry],
    own: Sequence[Sequence[BoundingBox]],
    *,
    own_fraction: float,
    scan_fraction: float,
    seed: int,
) -> list[Question]:
    """Stage 2: Query 2 with crops at the model's own boxes or the annotated ones, and Query 1 in between.

    Query 1 is there to be remembered, by verdict and boxes alone: it has no reference.
    """
    rng = np.random.default_rng([seed, 2])
    drawn = []
    for entry, boxes in zip(entries, own, strict=True):
        scan, annotated = rng.random() < scan_fraction, rng.random() >= own_fraction
        crops = None if scan else tuple(entry.regions if annotated else boxes)
        reference = "" if crops is None else check_reference(entry, crops)
        drawn.append(Question(directory / entry.file, entry.label, entry.regions, crops, reference))
    return drawn


def check_reference(entry: Entry, crops: Sequence[BoundingBox]) -> str:
    """What is to be said of these crops: in a set that tells crop by crop, of each what it shows; else the one text."""
    if entry.explanations is None:
        return ""
    if entry.explanations.check != scenes.tell_crops(entry.shown):
        return entry.explanations.check
    numbers = [album.shown_in(box, entry.regions) for box in crops]
    return scenes.tell_crops([None if number is None else entry.shown[number] for number in numbers])
