"""The case of a verdict as it lies in the labeling bucket, and its key; one place for sampled and reviewed cases."""

from datetime import UTC, date, datetime

from pipeline.wire.labels import LabelCase, LabelImage, build_case_key, build_image_key
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record_time import find_record_time
from worker.sampling.decision import Sample


def name_case(verdict: VerdictEvent) -> str:
    return build_case_key(verdict.verdict_id, find_case_day(verdict))


def find_case_day(verdict: VerdictEvent) -> date:
    """Return the day of the verdict's record, or that of the verdict if the record's timestamp cannot be right."""
    return find_record_time(verdict).date()


def build_case(verdict: VerdictEvent, sample: Sample) -> LabelCase:
    image_fields = verdict.image.model_dump(include=set(LabelImage.model_fields))
    return LabelCase(
        case_id=verdict.verdict_id,
        event_id=verdict.event_id,
        image=LabelImage(object_key=build_image_key(verdict.image.sha256), **image_fields),
        reasons=list(sample.reasons),
        inclusion_probability=sample.inclusion_probability,
        blind=sample.blind,
        verdict_event=verdict,
        created_at=datetime.now(UTC),
    )
