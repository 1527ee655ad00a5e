"""From what an annotator submitted to a label, or to the reason why it is none; pure.

Label Studio takes anything: a box without a label, a verdict that does not exist, a box outside the image. Nothing of
this is guessed at; the refusal names the task, where the annotator can correct it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError

from pipeline.geometry import Size, clip
from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin, LabelVerdict, build_label_id
from pipeline.wire.messages import Box
from pipeline.wire.reviews import MAX_BOXES
from training.label_studio.answers import StoredAnnotation
from training.label_studio.config import (
    BOX_LABELS,
    EXPLANATION,
    EXPLANATION_TYPE,
    GUIDELINE_VERSION,
    REGION,
    REGION_TYPE,
    VERDICT,
    VERDICT_TYPE,
)
from training.label_studio.tasks import convert_to_pixels

MAX_EXPLANATION = 4096
MAX_DETAIL = 300
"""a detail quotes what anybody may have written, and goes to terminals and into the mark"""
OUTSIDE_PX = 0.5
"""a box may lie this far outside by rounding; the page itself keeps boxes inside"""


class RefusalReason(StrEnum):
    NO_VERDICT = "no_verdict"
    """none was chosen"""
    UNKNOWN_VERDICT = "unknown_verdict"
    """none of real, generated and unsure, or several"""
    BOX_WITHOUT_LABEL = "box_without_label"
    """mostly a click that slipped"""
    BOX_OUTSIDE = "box_outside"
    BOX_EMPTY = "box_empty"
    """less than half a pixel high or wide"""
    TOO_MANY_BOXES = "too_many_boxes"
    ROTATED = "rotated"
    OTHER_FRAME = "other_frame"
    """drawn on an image of another size than the case's"""
    OTHER_CONFIG = "other_config"
    """a control that our page does not have"""
    TEXT_TOO_LONG = "text_too_long"
    NO_ANNOTATOR = "no_annotator"
    """an annotation of no user, as imports make them"""
    CASE_MISSING = "case_missing"
    """the task names no case of the bucket"""
    CASE_UNREADABLE = "case_unreadable"


class Refused(Exception):
    """An annotation is no label."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        self.reason = reason
        self.detail = "".join(letter if letter.isprintable() else "?" for letter in detail[:MAX_DETAIL])
        super().__init__(f"{reason}: {self.detail}")


Percent = Annotated[FiniteFloat, Field(ge=-1000, le=1000)]


class _Percent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    x: Percent
    y: Percent
    width: Percent
    height: Percent
    rotation: float = 0.0
    rectanglelabels: list[str] = []


class _Region(BaseModel):
    """A box as Label Studio stores it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    original_width: int
    original_height: int
    image_rotation: float = 0.0
    value: _Percent


class _Choice(BaseModel):
    choices: list[str]


class _Verdict(BaseModel):
    value: _Choice


class _Text(BaseModel):
    text: list[str] | str


class _Explanation(BaseModel):
    value: _Text


@dataclass(slots=True)
class _Content:
    """The parts of an annotation, gathered from its results."""

    verdict: LabelVerdict | None = None
    boxes: list[Box] = field(default_factory=list)
    explanation: str | None = None


def build_annotator(annotation: StoredAnnotation) -> str:
    """Name who changed it last, so that nobody takes a user for a reviewer of the platform. Raises: Refused."""
    if annotation.author is None:
        raise Refused(RefusalReason.NO_ANNOTATOR, "it has no author")
    return f"{LabelOrigin.LABEL_STUDIO}:{annotation.author}"


def name_label(case_id: str, annotation: StoredAnnotation) -> str:
    """Name the label that an annotation is now; each change of it gets another. Raises: Refused."""
    return build_label_id(case_id, build_annotator(annotation), annotation.updated_at.isoformat())


def read_annotation(annotation: StoredAnnotation, case: LabelCase, former: Mapping[str, str]) -> LabelEvent:
    """Read an annotation that was not cancelled; `former` has the id of each annotator's former label of the case.

    Raises: Refused.
    """
    label_id, annotator = name_label(case.case_id, annotation), build_annotator(annotation)
    size = case.image.width_px, case.image.height_px
    content = _Content()
    for result in annotation.result:
        _read_result(result, size, content)
    if content.verdict is None:
        raise Refused(RefusalReason.NO_VERDICT, "no verdict was chosen")
    return LabelEvent(
        label_id=label_id,
        case_id=case.case_id,
        event_id=case.event_id,
        image_sha256=case.image.sha256,
        verdict=content.verdict,
        boxes=content.boxes,
        explanation=content.explanation,
        annotator=annotator,
        origin=LabelOrigin.LABEL_STUDIO,
        blind=case.blind,
        guideline_version=GUIDELINE_VERSION,
        seconds_spent=max(0.0, annotation.lead_time) if annotation.lead_time is not None else None,
        created_at=annotation.updated_at,
        supersedes=former.get(annotator),
    )


def _read_result(result: JsonValue, size: Size, content: _Content) -> None:
    if not isinstance(result, dict):
        raise Refused(RefusalReason.OTHER_CONFIG, f"a result is no object: {result!r}")
    name, kind = result.get("from_name"), result.get("type")
    try:
        if name == VERDICT and kind == VERDICT_TYPE:
            content.verdict = _read_verdict(_Verdict.model_validate(result).value.choices, content.verdict)
        elif name == EXPLANATION and kind == EXPLANATION_TYPE:
            content.explanation = _read_text(_Explanation.model_validate(result).value.text)
        elif name == REGION and kind in (REGION_TYPE, "rectangle"):
            content.boxes.append(_read_box(_Region.model_validate(result), size))
            if len(content.boxes) > MAX_BOXES:
                raise Refused(RefusalReason.TOO_MANY_BOXES, f"it has more than {MAX_BOXES} boxes")
        else:
            raise Refused(RefusalReason.OTHER_CONFIG, f"the page has no control {name} of the type {kind}")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(RefusalReason.OTHER_CONFIG, f"{name}.{place}: {first['msg']}") from error


def _read_verdict(choices: list[str], before: LabelVerdict | None) -> LabelVerdict:
    if before is not None or len(choices) != 1 or choices[0] not in list(LabelVerdict):
        raise Refused(RefusalReason.UNKNOWN_VERDICT, f"the verdict is {', '.join(choices)[:100]!r}")
    return LabelVerdict(choices[0])


def _read_text(text: list[str] | str) -> str | None:
    joined = (text if isinstance(text, str) else "\n".join(text)).strip()
    if len(joined) > MAX_EXPLANATION:
        raise Refused(RefusalReason.TEXT_TOO_LONG, f"the explanation has more than {MAX_EXPLANATION:,} characters")
    return joined or None


def _read_box(region: _Region, size: Size) -> Box:
    if (region.original_width, region.original_height) != size:
        drawn = f"{region.original_width} x {region.original_height}"
        raise Refused(RefusalReason.OTHER_FRAME, f"a box was drawn on {drawn} px, the image has {size[0]} x {size[1]}")
    if region.value.rotation or region.image_rotation:
        raise Refused(RefusalReason.ROTATED, "a box or its image is rotated")
    if not region.value.rectanglelabels:
        raise Refused(RefusalReason.BOX_WITHOUT_LABEL, "a box has no label; delete it or choose one (keys a, d)")
    if len(region.value.rectanglelabels) > 1 or region.value.rectanglelabels[0] not in BOX_LABELS.values():
        labels = ", ".join(region.value.rectanglelabels)[:100]
        raise Refused(RefusalReason.OTHER_CONFIG, f"the page has no label {labels!r}")
    corners = convert_to_pixels(region.value.model_dump(include={"x", "y", "width", "height"}), size)
    x1, y1, x2, y2 = corners
    if min(x1, y1) < -OUTSIDE_PX or x2 > size[0] + OUTSIDE_PX or y2 > size[1] + OUTSIDE_PX:
        raise Refused(RefusalReason.BOX_OUTSIDE, f"a box lies outside: {[round(side, 1) for side in corners]}")
    box = clip(corners, size)
    if box is None:
        raise Refused(RefusalReason.BOX_EMPTY, f"a box is empty: {[round(side, 1) for side in corners]}")
    return box.corners
