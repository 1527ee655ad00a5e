"""Builders of verdicts of two pools over the same events."""

from datetime import UTC, datetime, timedelta

from pipeline.wire.messages import VerdictEvent
from tests.support.verdicts import build_verdict
from training.shadow.judged_events import Pool, PoolColumns

CHAMPION, CHALLENGER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def build_judged(
    event_id: str, p_generated: float, *, revision: str = CHAMPION, minute: float = 0, seconds: float = 0.5
) -> VerdictEvent:
    """Build a verdict of an event that came in `minute` minutes after noon; its verdict follows `p_generated`."""
    came_in_at = NOON + timedelta(minutes=minute)
    verdict = build_verdict(
        event_id=event_id,
        p_generated=p_generated,
        sha256=event_id.encode().hex().ljust(64, "0")[:64],
        timestamp_ms=round(came_in_at.timestamp() * 1000),
        decided_at=came_in_at + timedelta(seconds=9 + seconds),
    )
    model = verdict.model.model_copy(update={"revision": revision})
    return verdict.model_copy(update={"model": model, "timing_s": {"queued": 9.0, "total": 9.0 + seconds}})


def build_pool(*verdicts: VerdictEvent, topic: str = "verdicts") -> Pool:
    columns = PoolColumns(topic)
    for verdict in verdicts:
        columns.add(verdict)
    return columns.build()
