"""Builders of what the labeling bucket holds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.labeling.erasure import write_tombstone
from pipeline.wire.labels import (
    LabelCase,
    LabelEvent,
    LabelImage,
    LabelOrigin,
    LabelVerdict,
    SampleReason,
    build_image_key,
    build_label_id,
)
from pipeline.wire.messages import Box, VerdictEvent
from training.labeling.bucket import LabelingBucket

START = datetime(2026, 1, 1, tzinfo=UTC)


def build_case(
    event: VerdictEvent,
    *,
    reasons: Sequence[str] = (SampleReason.CONTROL,),
    inclusion_probability: float = 0.05,
    blind: bool = False,
) -> LabelCase:
    """Build the case of a verdict as the worker writes it."""
    fields = event.image.model_dump(include=set(LabelImage.model_fields))
    return LabelCase(
        case_id=event.verdict_id,
        event_id=event.event_id,
        image=LabelImage(object_key=build_image_key(event.image.sha256), **fields),
        reasons=list(reasons),
        inclusion_probability=inclusion_probability,
        blind=blind,
        verdict_event=event,
        created_at=START,
    )


def build_label(
    case: LabelCase | None = None,
    *,
    verdict: LabelVerdict = LabelVerdict.GENERATED,
    annotator: str = "1",
    minute: int = 0,
    boxes: list[Box] | None = None,
    explanation: str | None = None,
    blind: bool = False,
    origin: LabelOrigin = LabelOrigin.LABEL_STUDIO,
) -> LabelEvent:
    """Build a label that an annotator gave `minute` minutes after the case was written."""
    case_id = case.case_id if case else "case-1"
    return LabelEvent(
        label_id=build_label_id(case_id, annotator, str(minute)),
        case_id=case_id,
        event_id=case.event_id if case else "event-1",
        image_sha256=case.image.sha256 if case else "0" * 64,
        verdict=verdict,
        boxes=boxes,
        explanation=explanation,
        annotator=annotator,
        origin=origin,
        blind=blind,
        guideline_version="1",
        seconds_spent=12.5,
        created_at=START + timedelta(minutes=minute),
        supersedes=None,
    )


def leave_tombstone(bucket: LabelingBucket, case: LabelCase) -> None:
    """Mark the image of a case as deleted, as an erasure begins."""
    write_tombstone(bucket.client, bucket.name, case.image.sha256, [f"{case.case_id}.json"], now=START)
