"""How long a run may last: steps or seconds, also over kills."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """The run ends after `steps` or `seconds`, whichever comes first; the learning rate follows the nearer end."""

    steps: int
    seconds: float

    def fraction(self, step: int, elapsed_s: float) -> float:
        return max(step / self.steps, elapsed_s / self.seconds)


class Clock:
    """Seconds of training, also those of runs that were killed before."""

    def __init__(self, before_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._zero = now() - before_s

    @property
    def elapsed_s(self) -> float:
        return self._now() - self._zero
