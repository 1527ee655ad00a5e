"""Retries of operations that fail: one Retrier for each dependency.

Invariant: a dependency that refuses everyone costs no event; one that refuses a single event costs that event.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import OutageError, PoisonError, TransientError, ZoomInError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`patience_s` (may be infinite) is how long an event may be refused while others are served."""

    attempts: int
    first_wait_s: float
    max_wait_s: float
    patience_s: float

    def compute_wait_s(self, failures: int, rng: random.Random) -> float:
        """Compute a pause that doubles with each failure up to the cap, less up to half of it by chance (jitter)."""
        doubled = self.first_wait_s * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.max_wait_s) * rng.uniform(0.5, 1.0)


@dataclass(slots=True)
class _Failures:
    """Failures of one call: `streak` counts the last refusals in a row, from `first_at` to `last_at`.

    `alone_since` is the time of its last refusal that may have been one of all events.
    """

    tries: int = 0
    unlucky: int = 0
    streak: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    alone_since: float = 0.0


class Retrier:
    """Remembers when its dependency last served any event.

    If no other event succeeds meanwhile, `probe` runs after `patience_s` in its place; such an event is dead-lettered
    after up to twice `patience_s`.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        rng: random.Random,
        on_retry: Callable[[ZoomInError, float], None] = lambda _error, _wait_s: None,
        on_outage: Callable[[bool], None] = lambda _out: None,
        probe: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`on_retry` gets each failure to be tried again, with the pause before; `on_outage` the start and the end."""
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._on_retry = on_retry
        self._on_outage = on_outage
        self._probe = probe
        self._served_at = -float("inf")
        self._in_outage = False

    @property
    def in_outage(self) -> bool:
        """True if the dependency's last answer to any event was a refusal that is still taken for its own fault."""
        return self._in_outage

    async def call(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Try the operation until it succeeds or is given up; an error holds the number of tries in `attempts`.

        Raises: the operation's own TransientError after `attempts` of them, its PoisonError and FatalError at once,
            and `OutageError.convert_to_poison()` when only this event is refused.
        """
        failures = _Failures()
        while True:
            failures.tries += 1
            served_before_at = self._served_at
            try:
                result = await operation()
            except OutageError as refusal:
                wait_s = self._handle_refusal(refusal, failures, served_before_at)
            except TransientError as error:
                wait_s = self._handle_bad_luck(error, failures)
            except ZoomInError as error:
                error.attempts = failures.tries
                if isinstance(error, PoisonError):
                    self._note_served()
                raise
            else:
                self._note_served()
                return result
            await self._sleep(wait_s)
            await self._probe_for_others(failures)

    def _handle_refusal(self, refusal: OutageError, failures: _Failures, served_before_at: float) -> float:
        now = self._clock()
        # Another event must have been served between any two tries of this one, for all of `patience_s`: otherwise a
        # dependency that comes back slowly would dead-letter every event that had to wait during the outage.
        others_served = failures.streak > 0 and served_before_at >= failures.last_at
        if not others_served:
            failures.alone_since = now
        elif now - failures.alone_since >= self._policy.patience_s:
            self._set_outage(False)
            poison = refusal.convert_to_poison()
            poison.attempts, poison.stage = failures.tries, refusal.stage
            raise poison from refusal
        failures.streak += 1
        failures.first_at = failures.first_at if failures.streak > 1 else now
        failures.last_at = now
        self._set_outage(True)
        return self._choose_wait_s(refusal, failures.streak)

    def _handle_bad_luck(self, error: TransientError, failures: _Failures) -> float:
        self._note_served()
        failures.unlucky += 1
        failures.streak = 0
        if failures.unlucky >= self._policy.attempts:
            error.attempts = failures.tries
            raise error
        return self._choose_wait_s(error, failures.unlucky)

    def _choose_wait_s(self, error: ZoomInError, count: int) -> float:
        wait_s = self._policy.compute_wait_s(count, self._rng)
        self._on_retry(error, wait_s)
        return wait_s

    async def _probe_for_others(self, failures: _Failures) -> None:
        patient = self._clock() - failures.first_at < self._policy.patience_s
        if self._probe is None or failures.streak == 0 or patient or self._served_at >= failures.last_at:
            return
        try:
            await self._probe()
        except ZoomInError:
            return
        self._served_at = self._clock()  # the outage goes on: it ends when an event is served

    def _note_served(self) -> None:
        self._served_at = self._clock()
        self._set_outage(False)

    def _set_outage(self, out: bool) -> None:
        if out is not self._in_outage:
            self._in_outage = out
            self._on_outage(out)
