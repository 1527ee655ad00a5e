"""Give the labeled cases of a set the explanations and boxes that annotators left out, by the paper's pipeline.

Endpoints are told the known label. What people drew or wrote stays. An image that an endpoint fails on keeps its
verdict alone, which trains too. Answers are kept, so that a killed step pays for none twice.
Source: paper section 3.2.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.verdict import BoundingBox
from training.annotation.annotator import Annotation
from training.annotation.build import BuildPlan, annotate_all
from training.annotation.endpoint import Endpoint
from training.common.journal import Journal
from training.dataset import manifest
from training.dataset.duplicates import Fingerprint
from training.dataset.frame import FramedImage, FrameOptions
from training.dataset.labeled_image import Explanations, LabeledImage, Split
from training.dataset.placement import Placement
from training.retraining.new_kinds import link_images
from training.settings import TrainSettings

JOURNAL = "annotations.jsonl"


@dataclass(frozen=True, slots=True)
class Annotators:
    """The endpoints that explain and ground; None where none is set."""

    explain: Endpoint | None
    ground: Endpoint | None

    @property
    def names(self) -> list[str]:
        return [f"{each.role} {each.model}" for each in (self.explain, self.ground) if each]

    def find_lacking(self, rows: Sequence[LabeledImage]) -> list[LabeledImage]:
        """Return the training cases that lack what an endpoint can give."""
        return [
            row
            for row in rows
            if row.case
            and row.split is Split.TRAIN
            and ((self.explain and not row.explanation) or (self.ground and row.boxes is None))
        ]


@dataclass(frozen=True, slots=True)
class Annotated:
    """Counts of an annotated set: images that lacked something, that got something, and that endpoints failed."""

    lacking: int
    annotated: int
    failed: int


def annotate_set(data: Path, out: Path, annotators: Annotators, settings: TrainSettings) -> Annotated:
    """Write the set of `data` to `out`, with its images, and with what the endpoints add.

    Raises: BadSettings, EndpointDead.
    """
    rows = list(manifest.read_manifest(data))
    lacking = annotators.find_lacking(rows)
    link_images(out, data)
    plan = _build_plan(data, annotators, settings)
    with Journal(out / JOURNAL) as answers:
        found, failed, _ = asyncio.run(annotate_all(plan, [_place_whole(row) for row in lacking], answers))
    files = {row.file for row in lacking}
    completed = (
        complete_row(row, found.get(row.require_provenance().sha256)) if row.file in files else row for row in rows
    )
    manifest.write_manifest(out, completed)
    return Annotated(len(lacking), len(found), len(failed))


def complete_row(row: LabeledImage, annotation: Annotation | None) -> LabeledImage:
    """Return the row with the explanation and boxes that it lacks."""
    if annotation is None:
        return row
    changes: dict[str, object] = {}
    if not row.explanation and annotation.explanation:
        changes["explanations"] = Explanations(scan=annotation.explanation, check=annotation.explanation)
    if row.boxes is None and annotation.regions is not None:
        changes["boxes"] = [region.box.corners for region in annotation.regions]
        changes["shown"] = [region.description for region in annotation.regions]
    if changes:
        by = f"{row.require_provenance().annotated_by} and {annotation.by}"
        changes["provenance"] = row.require_provenance().model_copy(update={"annotated_by": by})
    return row.model_copy(update=changes)


def _place_whole(row: LabeledImage) -> FramedImage:
    """Return an image of a set as one whose frame is the whole image."""
    provenance = row.require_provenance()
    size = provenance.size_px
    placed = Placement(window=BoundingBox(0, 0, *size), scaled_px=size, frame_px=size)
    return FramedImage(row, provenance, Fingerprint(provenance.perceptual_hash, ""), placed)


def _build_plan(data: Path, annotators: Annotators, settings: TrainSettings) -> BuildPlan:
    return BuildPlan(
        source=data,
        out=data,
        explain=annotators.explain,
        ground=annotators.ground,
        labels_only=False,
        framing=FrameOptions(),
        box_frame=settings.ground_box_frame,
        seed=0,
        least_per_class=0,
        workers=settings.workers,
        concurrency=settings.concurrency,
    )
