"""Builders of traffic with known truth, and of the verdicts on it."""

from datetime import UTC, datetime, timedelta

from pipeline.verdict import Verdict
from pipeline.wire.messages import ModelRef, VerdictEvent, build_verdict_id
from tests.loop_demo.traffic import Kind, SentEvent
from tests.support.verdicts import build_verdict

FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)


def build_sent_event(number: int, kind: Kind = Kind.KNOWN) -> SentEvent:
    """Build an event whose image is generated if its number is odd."""
    label = Verdict.GENERATED if number % 2 else Verdict.REAL
    return SentEvent(
        number=number,
        event_id=f"demo-{number:06d}",
        key=f"{kind}/scene-{number}.png",
        kind=kind,
        label=label,
        boxes=[(10, 10, 90, 90)] if number % 2 else [],
        sent_at=1000.0 + number,
    )


def answer_event(
    event: SentEvent, *, revision: str = FIRST, is_right: bool = True, second: float | None = None
) -> VerdictEvent:
    """Build the verdict of a revision; it is decided in the second of the event's number, or in `second`."""
    is_generated = (event.label is Verdict.GENERATED) == is_right
    verdict = build_verdict(
        check="generated" if is_generated else "real",
        event_id=event.event_id,
        key=event.key,
        decided_at=START + timedelta(seconds=event.number if second is None else second),
    )
    model = ModelRef.model_validate({**verdict.model.model_dump(), "revision": revision})
    verdict_id = build_verdict_id(event.event_id, revision, model.prompt_version)
    return verdict.model_copy(update={"model": model, "verdict_id": verdict_id})
