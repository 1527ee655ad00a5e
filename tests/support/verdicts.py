"""Builds verdict events with defaults: a test names only the fields that it checks."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.verdict import Status, Verdict
from pipeline.wire.messages import (
    CheckEvidence,
    JudgedImage,
    ModelRef,
    RecordRef,
    ScanEvidence,
    VerdictEvent,
    ZoomRegion,
)

Box = tuple[int, int, int, int]
P_GENERATED = {Verdict.REAL: 0.12, Verdict.GENERATED: 0.97}


def build_verdict(
    *,
    scan: str = "real",
    check: str | None = "generated",
    size: tuple[int, int] = (512, 512),
    zoomed: Sequence[Box] = (),
    idle: Sequence[Box] = (),
    scan_explanation: str = "The light falls evenly.",
    check_explanation: str = "Crop 1 repeats its weave exactly.",
    bucket: str = "uploads",
    key: str = "a/photo.png",
    sha256: str = "ab" * 32,
    event_id: str = "event-1",
    source: str | None = "web",
    uncertain: bool = False,
    p_generated: float | None = None,
    frames: int = 1,
    frame: int | None = 0,
    repaired: bool | None = False,
    offset: int = 0,
    timestamp_ms: int = 0,
    decided_at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
) -> VerdictEvent:
    """Build a consistent verdict event: corrected if `check` differs from `scan`, degraded if it is None.

    The verdict follows `p_generated`, which by default agrees with the last answer.
    """
    first, second = Verdict(scan), Verdict(check) if check else None
    p_generated = P_GENERATED[second or first] if p_generated is None else p_generated
    final = Verdict.GENERATED if p_generated >= 0.5 else Verdict.REAL
    status = Status.DEGRADED if second is None else Status.COMPLETE if zoomed else Status.UNGROUNDED
    regions = [ZoomRegion(box=box, zoomed=True, crop_sha256="c" * 64) for box in zoomed]
    regions += [ZoomRegion(box=box, zoomed=False, crop_sha256=None) for box in idle]
    return VerdictEvent(
        verdict_id=f"verdict-of-{event_id}",
        event_id=event_id,
        record=RecordRef(topic="zoomin.images", partition=0, offset=offset, timestamp_ms=timestamp_ms),
        image=JudgedImage(
            bucket=bucket,
            key=key,
            etag="e",
            version_id=None,
            sha256=sha256,
            width_px=size[0],
            height_px=size[1],
            format="png",
            frames=frames,
            bytes=1234,
            repaired=repaired,
            frame=frame,
        ),
        source=source,
        attributes={},
        verdict=final,
        p_generated=p_generated,
        p_generated_raw=p_generated,
        confidence=p_generated if final is Verdict.GENERATED else 1 - p_generated,
        uncertain=uncertain,
        status=status,
        corrected=second is not None and second is not first,
        scan=ScanEvidence(
            verdict=first,
            p_generated=P_GENERATED[first],
            explanation=scan_explanation,
            truncated=False,
            regions=regions,
        ),
        check=None
        if second is None
        else CheckEvidence(verdict=second, p_generated=p_generated, explanation=check_explanation, truncated=False),
        model=ModelRef(
            name="zoomin-tiny",
            revision="sha256:" + "0123456789abcdef" * 4,
            prompt_version="1",
            prompt_sha256="d" * 64,
            engine="vllm 0.31.0",
        ),
        timing_s={"total": 0.93},
        worker="worker-1",
        decided_at=decided_at,
    )
