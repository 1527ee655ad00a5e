"""Observation of events: spans, metrics and the one log line of each outcome.

Invariant: no report raises. It follows an answer that Kafka has; an error would repeat the answer or end the worker.
"""

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import ParamSpec

from pipeline.errors import InternalFault, ZoomInError
from pipeline.wire.entries import IgnoredEntry
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from pipeline.wire.record_time import read_record_time
from worker.observe import telemetry
from worker.observe.stopwatch import Stopwatch
from worker.observe.telemetry import Metrics, Tracing

Parameters = ParamSpec("Parameters")


def _contain_errors(report: Callable[Parameters, None]) -> Callable[Parameters, None]:
    @functools.wraps(report)
    def contained(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            report(*args, **kwargs)
        except Exception:  # noqa: BLE001 - any error of ours, see the invariant
            with suppress(Exception):  # the log itself may be what fails
                telemetry.get_logger().exception(telemetry.REPORT_FAILED, report=report.__name__)

    return contained


class EventObserver:
    """Metrics count what Kafka has acknowledged; log lines tell what the publisher has accepted, maybe earlier."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock
        self._now = now

    def trace_record(self, record: RawRecord) -> AbstractContextManager[None]:
        return self._tracing.trace_record(record)

    def read_traceparent(self) -> str | None:
        return self._tracing.read_traceparent()

    def start_stopwatch(self, record: RawRecord) -> Stopwatch:
        return Stopwatch(self._metrics, self._tracing, self._clock, queued_s=self._compute_age_s(record) or 0.0)

    @_contain_errors
    def report_ignored(self, record: RawRecord, entries: Sequence[IgnoredEntry]) -> None:
        self._metrics.events.labels("ignored").inc(len(entries))
        telemetry.get_logger().debug(
            telemetry.RECORD_IGNORED,
            partition=record.partition,
            offset=record.offset,
            entries=len(entries),
            reason=entries[0].reason,
        )

    @_contain_errors
    def report_left_out(self, record: RawRecord, entries: int) -> None:
        """Count entries outside the share of events that this worker judges."""
        self._metrics.events.labels("left_out").inc(entries)
        telemetry.get_logger().debug(
            telemetry.EVENTS_LEFT_OUT, partition=record.partition, offset=record.offset, entries=entries
        )

    @_contain_errors
    def count_verdict(self, verdict: VerdictEvent, record: RawRecord) -> None:
        """Count a verdict that Kafka has acknowledged."""
        self._metrics.events.labels("verdict").inc()
        age_s = self._compute_age_s(record)
        if age_s is not None:
            self._metrics.event_seconds.observe(age_s)
        self._metrics.verdicts.labels(
            verdict.verdict, verdict.status, _format_flag(verdict.corrected), _format_flag(verdict.uncertain)
        ).inc()
        if verdict.image.repaired:
            self._metrics.repaired_images.inc()

    @_contain_errors
    def log_verdict(self, verdict: VerdictEvent, record: RawRecord) -> None:
        telemetry.get_logger().info(
            telemetry.EVENT_JUDGED,
            event_id=verdict.event_id,
            verdict_id=verdict.verdict_id,
            partition=record.partition,
            offset=record.offset,
            verdict=verdict.verdict.value,
            status=verdict.status.value,
            corrected=verdict.corrected,
            confidence=round(verdict.confidence, 4),
            regions=len(verdict.scan.regions),
            seconds=verdict.timing_s,
            revision=verdict.model.revision,
        )

    @_contain_errors
    def report_collected(self, record: RawRecord, event: str, outcome: str, **about: object) -> None:
        """Count and log a record of the platform that was followed."""
        self._metrics.events.labels(outcome).inc()
        age_s = self._compute_age_s(record)
        if age_s is not None:
            self._metrics.event_seconds.observe(age_s)
        telemetry.get_logger().info(event, partition=record.partition, offset=record.offset, outcome=outcome, **about)

    @_contain_errors
    def count_dead_letter(self, error: ZoomInError) -> None:
        """Count a dead letter that Kafka has acknowledged."""
        self._metrics.events.labels("dead_letter").inc()
        self._metrics.dead_letters.labels(error.code).inc()

    @_contain_errors
    def log_dead_letter(self, record: RawRecord, error: ZoomInError, event_id: str | None) -> None:
        telemetry.get_logger().warning(
            telemetry.EVENT_DEAD_LETTERED,
            event_id=event_id,
            partition=record.partition,
            offset=record.offset,
            code=error.code,
            stage=error.stage,
            attempts=error.attempts,
            index=error.index,
            detail=error.detail,
            exc_info=error.__cause__ if isinstance(error, InternalFault) else None,
        )

    def _compute_age_s(self, record: RawRecord) -> float | None:
        now_s = self._now()
        written_at = read_record_time(record.timestamp_ms, now_s=now_s)
        return None if written_at is None else max(0.0, now_s - written_at)


def _format_flag(value: bool) -> str:
    return "true" if value else "false"
