"""The length of a run in steps and seconds; a killed run keeps the time that it has spent."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """The run ends after `steps` or `seconds`, whichever comes first; the learning rate follows the nearer end."""

    steps: int
    seconds: float

    def measure_progress(self, step: int, elapsed_s: float) -> float:
        """Return the share of the run that is over, by the nearer end."""
        return max(step / self.steps, elapsed_s / self.seconds)


class Clock:
    """Counts the seconds of training, with those of a killed run before it."""

    def __init__(self, before_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._zero = now() - before_s

    @property
    def elapsed_s(self) -> float:
        return self._now() - self._zero
