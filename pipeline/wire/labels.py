"""Defines what the labeling bucket holds: cases, labels and tombstones, each with its key. Objects are only added.

A correction is a new label that names the one before it; a deletion leaves a tombstone. Readers ignore new fields.
"""

import uuid
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from pipeline.verdict import Verdict
from pipeline.wire.messages import NAMESPACE, Box, Message, Moment, Probability, VerdictEvent

CASES, LABELS, IMAGES, TOMBSTONES, MARKS = "cases/", "labels/", "images/", "deleted/", "marks/"


class SampleReason(StrEnum):
    """Reason why a case is in the labeling bucket: a stratum of the worker's sampling, or a review on the platform."""

    LOW_CONFIDENCE = "low_confidence"
    CORRECTED = "corrected"
    DEGRADED = "degraded"
    UNGROUNDED = "ungrounded"
    CONTROL = "control"
    REVIEW = "review"


class LabelVerdict(StrEnum):
    REAL = "real"
    GENERATED = "generated"
    UNSURE = "unsure"

    @property
    def decided(self) -> Verdict | None:
        """The verdict, or None for `unsure`, which no training takes as a truth."""
        return None if self is LabelVerdict.UNSURE else Verdict(self.value)


class LabelOrigin(StrEnum):
    """`label_studio`: an annotator; `review`: a reviewer of the platform; `import`: labels from elsewhere."""

    LABEL_STUDIO = "label_studio"
    REVIEW = "review"
    IMPORT = "import"


class LabelImage(Message):
    """The image to label: `object_key` is in the labeling bucket, the other fields are those of the verdict."""

    object_key: str
    bucket: str
    key: str
    etag: str | None
    version_id: str | None
    sha256: str
    width_px: int
    height_px: int


class Label(Message):
    """The conclusion of annotators inside a case of an old bucket; today each label is an object of its own."""

    verdict: Verdict
    boxes: list[Box] = Field(default=[])
    explanation: str | None = None


class LabelCase(Message):
    """One inspection in the labeling bucket, written once. `state` and `label` are set in old buckets alone.

    A case with the reason `review` was chosen by people: its `inclusion_probability` is 0, and it enters no estimate.
    """

    schema_version: Literal[1] = 1
    case_id: str
    event_id: str
    image: LabelImage
    reasons: list[str]
    inclusion_probability: Probability
    blind: bool
    verdict_event: VerdictEvent
    state: Literal["pending", "labeled"] = "pending"
    label: Label | None = None
    created_at: Moment


class LabelEvent(Message):
    """One annotator's label of one case at one time; a correction is a further event that names it in `supersedes`.

    `boxes` is null if nobody was asked to draw, and empty if the annotator looked and found none. `annotator` is an
    opaque id. `blind`: the annotator saw neither verdicts nor boxes of the model.
    """

    schema_version: Literal[1] = 1
    label_id: str
    case_id: str
    event_id: str
    image_sha256: str
    verdict: LabelVerdict
    boxes: list[Box] | None
    explanation: str | None
    annotator: Annotated[str, Field(min_length=1, max_length=256)]
    origin: LabelOrigin
    blind: bool
    guideline_version: str
    seconds_spent: Annotated[float, Field(ge=0)] | None
    created_at: Moment
    supersedes: str | None


class Tombstone(Message):
    """The mark of a deleted image, which keeps it from coming back; it holds nothing of the image or its sender."""

    schema_version: Literal[1] = 1
    sha256: str
    case_ids: list[str]
    deleted_at: Moment


def build_label_id(case_id: str, annotator: str, version: str) -> str:
    """Build the id of one annotator's label of a case; the same `version` of it, read again, has the same id."""
    return str(uuid.uuid5(NAMESPACE, f"label\n{case_id}\n{annotator}\n{version}"))


def build_image_key(sha256: str) -> str:
    return f"{IMAGES}{sha256}.png"


def build_case_key(case_id: str, day: date) -> str:
    """Name a case; `day` is that of its record's timestamp in UTC."""
    return f"{CASES}{day:%Y/%m/%d}/{case_id}.json"


def build_label_key(case_id: str, label_id: str) -> str:
    return f"{LABELS}{case_id}/{label_id}.json"


def build_tombstone_key(sha256: str) -> str:
    return f"{TOMBSTONES}{sha256}.json"


def build_mark_key(name: str) -> str:
    """Name the object that holds where `pull` or `collect` stands."""
    return f"{MARKS}{name}.json"
