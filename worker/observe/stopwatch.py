"""Time of one event: the seconds and the span of each stage, and the stage in which an error happened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import ZoomInError
from worker.observe.telemetry import STAGES, Metrics, Tracing


class Stopwatch:
    """Runs from its creation; `queued_s` is the time that the event had waited before.

    `stage` is the last stage that began: that of an error which happens between two stages.
    """

    def __init__(
        self, metrics: Metrics, tracing: Tracing, clock: Callable[[], float], *, queued_s: float = 0.0
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock
        self._queued_s = queued_s
        self._started_at = clock()
        self._stage_s: dict[str, float] = {}
        self.stage = STAGES[0]

    @contextmanager
    def time_stage(self, name: str) -> Iterator[None]:
        """Measure a stage and trace it; an error that leaves it learns its name unless an inner stage named it."""
        started_at = self._clock()
        self.stage = name
        try:
            with self._tracing.trace_stage(name):
                yield
        except ZoomInError as error:
            error.stage = error.stage or name
            raise
        finally:
            self._stage_s[name] = self._clock() - started_at
            self._metrics.stage_seconds.labels(name).observe(self._stage_s[name])

    def read_timing_s(self) -> dict[str, float]:
        """Return the seconds in the queue, in each finished stage, and in total until now."""
        return {
            "queued": self._queued_s,
            **self._stage_s,
            "total": self._queued_s + self._clock() - self._started_at,
        }
