"""Defines the verdict, the message that we publish, and what our versioned messages share. Readers ignore new fields.

Within a version, fields are only added; a new field is optional to readers and always written (null, never missing).
`schemas.py` generates docs/schemas/ from these models.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.verdict import BoundingBox, Inspection, Status, Verdict, list_remarks

VERDICT_SCHEMA = "verdict/1"
NAMESPACE = uuid.UUID("6a1f0a52-6f0e-4f7c-9d0b-6d1f1c2a9b10")

Probability = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[
    AwareDatetime,
    PlainSerializer(
        lambda moment: moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        return_type=str,
        when_used="json",
    ),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Box = Annotated[tuple[int, int, int, int], Field(description="x1, y1, x2, y2: half-open pixels of the upright image")]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class RecordRef(Message):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class JudgedImage(Message):
    """The object that was judged; size and boxes are of its upright `frame`, which counts from 0."""

    bucket: str
    key: str
    etag: str | None
    version_id: str | None
    sha256: str
    width_px: int
    height_px: int
    format: str
    frames: int
    bytes: int
    repaired: bool | None = None
    frame: int | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is unusual about the image; in old verdicts the first frame was judged."""
        return list_remarks(self.format, self.frames, self.frame or 0, repaired=bool(self.repaired))


class ZoomRegion(Message):
    box: Box
    zoomed: bool
    crop_sha256: str | None


class ScanEvidence(Message):
    verdict: Verdict
    p_generated: Probability
    explanation: str
    truncated: bool
    regions: list[ZoomRegion]


class CheckEvidence(Message):
    verdict: Verdict
    p_generated: Probability
    explanation: str
    truncated: bool


class ModelRef(Message):
    name: str
    revision: str
    prompt_version: str
    prompt_sha256: str
    engine: str


class VerdictEvent(Message):
    """One judgement. `verdict` follows `p_generated`; `scan` and `check` hold the verdicts that the model wrote.

    `p_generated` is that of the last readable answer, calibrated if the checkpoint card has a calibration of its query;
    `p_generated_raw` is not calibrated.
    """

    schema_version: Literal[1] = 1
    verdict_id: str
    event_id: str
    record: RecordRef
    image: JudgedImage
    source: str | None
    attributes: dict[str, str]
    verdict: Verdict
    p_generated: Probability
    p_generated_raw: Probability
    confidence: Probability
    uncertain: bool
    status: Status
    corrected: bool
    scan: ScanEvidence
    check: CheckEvidence | None
    model: ModelRef
    timing_s: dict[str, float]
    worker: str
    decided_at: Moment

    @property
    def last_answer(self) -> ScanEvidence | CheckEvidence:
        return self.check or self.scan

    @property
    def overruled(self) -> bool:
        """True if the calibrated probability says otherwise than the model wrote."""
        return self.verdict is not self.last_answer.verdict


def build_verdict_id(event_id: str, revision: str, prompt_version: str) -> str:
    """Build the id of one judgement: a repeat by the same model has the same id, a later model has another."""
    return str(uuid.uuid5(NAMESPACE, f"{event_id}\n{revision}\n{prompt_version}"))


def build_verdict_event(
    inspection: Inspection,
    checkpoint: Checkpoint,
    *,
    model: ModelRef,
    event_id: str,
    record: RecordRef,
    image: JudgedImage,
    source: str | None,
    attributes: Mapping[str, str],
    timing_s: Mapping[str, float],
    worker: str,
    decided_at: datetime | None = None,
) -> VerdictEvent:
    """Build the event to publish from an inspection, its probabilities and verdict decided by the checkpoint card."""
    decision = checkpoint.card.decide_inspection(inspection, source)
    return VerdictEvent(
        verdict_id=build_verdict_id(event_id, checkpoint.revision, PROMPT_VERSION),
        event_id=event_id,
        record=record,
        image=image,
        source=source,
        attributes=dict(attributes),
        verdict=decision.verdict,
        p_generated=decision.p_generated,
        p_generated_raw=decision.p_generated_raw,
        confidence=decision.confidence,
        uncertain=decision.uncertain,
        status=inspection.status,
        corrected=inspection.corrected,
        scan=_build_scan_evidence(inspection, checkpoint.card.decide_scan(inspection.scan.p_generated).p_generated),
        check=_build_check_evidence(inspection, decision.p_generated),
        model=model,
        timing_s={stage: round(seconds, 4) for stage, seconds in timing_s.items()},
        worker=worker,
        decided_at=decided_at or datetime.now(UTC),
    )


def _build_scan_evidence(inspection: Inspection, p_generated: float) -> ScanEvidence:
    scan = inspection.scan
    crops: dict[BoundingBox, str] = {crop.box: crop.image.sha256 for crop in inspection.crops}
    regions = [ZoomRegion(box=box.corners, zoomed=box in crops, crop_sha256=crops.get(box)) for box in scan.regions]
    return ScanEvidence(
        verdict=scan.verdict,
        p_generated=p_generated,
        explanation=scan.explanation,
        truncated=scan.truncated,
        regions=regions,
    )


def _build_check_evidence(inspection: Inspection, p_generated: float) -> CheckEvidence | None:
    check = inspection.check
    if check is None:
        return None
    return CheckEvidence(
        verdict=check.verdict, p_generated=p_generated, explanation=check.explanation, truncated=check.truncated
    )
