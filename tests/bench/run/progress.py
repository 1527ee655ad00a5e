"""Says what is being measured and how long the rest will take."""

import sys
import time
from collections.abc import Callable, Mapping


class Progress:
    """`estimates_s` are the parts in order with the seconds that each is thought to take."""

    def __init__(self, estimates_s: Mapping[str, float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._left_s = dict(estimates_s)
        self._clock = clock
        self._began = self._part_began = clock()
        self._part = next(iter(self._left_s), "")

    def begin(self, part: str) -> None:
        """The parts before this one are done."""
        for done in list(self._left_s):
            if done == part:
                break
            del self._left_s[done]
        self._part, self._part_began = part, self._clock()

    @property
    def left_s(self) -> float:
        """A part that takes longer than thought counts as nearly done."""
        current = self._left_s.get(self._part, 0) - (self._clock() - self._part_began)
        return max(0.0, current) + sum(s for part, s in self._left_s.items() if part != self._part)

    def say(self, sentence: str) -> None:
        passed = self._clock() - self._began
        print(f"[{_minutes(passed)}, about {_minutes(self.left_s)} left] {sentence}", file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
