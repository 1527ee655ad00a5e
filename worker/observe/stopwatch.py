"""Times the stages of one event, opens their spans, and tells an error in which stage it happened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import ZoomInError
from worker.observe.telemetry import Metrics, Tracing


class Stopwatch:
    def __init__(self, metrics: Metrics, tracing: Tracing, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self._clock()
        try:
            with self._tracing.stage(name):
                yield
        except ZoomInError as error:
            error.stage = error.stage or name
            raise
        finally:
            self.seconds[name] = self._clock() - began
            self._metrics.stage_seconds.labels(name).observe(self.seconds[name])
