"""Show the progress of a step on stderr, with the time left."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """A step of known size; on a terminal the line is rewritten, in a log it is added every `log_every_s`."""

    def __init__(
        self,
        title: str,
        total: float,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        log_every_s: float = 20.0,
    ) -> None:
        self._title = title
        self._total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._live = self._stream.isatty()
        self._pause_s = 0.2 if self._live else log_every_s
        self._started = clock()
        self._first: float | None = None
        self._shown_at = -float("inf")

    def show(self, done: float, note: str = "") -> None:
        """Show that `done` of the total is done; the pace counts from the first call, so earlier runs set none."""
        if self._first is None:
            self._first, self._started = done, self._clock()
        finished = done >= self._total
        if self._clock() - self._shown_at < self._pause_s and not finished:
            return
        self._shown_at = self._clock()
        percent = f"{min(1.0, done / self._total):4.0%}"
        line = f"{self._title}: {percent}, {self._estimate_left(done)}{', ' if note else ''}{note}"
        end = "\n" if finished or not self._live else ""
        self._stream.write(f"\r\x1b[K{line}{end}" if self._live else f"{line}\n")
        self._stream.flush()

    def _estimate_left(self, done: float) -> str:
        elapsed = self._clock() - self._started
        if done >= self._total:
            return f"took {format_duration(elapsed)}"
        gained = done - (self._first or 0.0)
        return (
            f"{format_duration(elapsed / gained * (self._total - done))} left"
            if gained > 0
            else "time left unknown yet"
        )


def format_duration(seconds: float) -> str:
    """Format a duration for readers: 42 s, 3 min 05 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
