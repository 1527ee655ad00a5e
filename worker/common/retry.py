"""How long to go on with an operation that fails: one Retrier per dependency.

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

    def wait_s(self, failures: int, rng: random.Random) -> float:
        """Doubles with each failure up to the cap; jittered down by up to half, so that events do not march in step."""
        doubled = self.first_wait_s * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.max_wait_s) * rng.uniform(0.5, 1.0)


@dataclass(slots=True)
class _Refusals:
    """What one call has seen: tries in all, bad luck, and since when it is refused without a break.

    `alone_since`: its last refusal that may have been everyone's.
    """

    tries: int = 0
    unlucky: int = 0
    streak: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    alone_since: float = 0.0


class Retrier:
    """Remembers when its dependency last served anyone; `probe` stands for someone else when nobody else is served.

    It is asked once patience has passed, so an event that is alone is given up after twice that time.
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
        """`on_retry` gets each failure that is tried again, with the pause before; `on_outage` each change."""
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
        """Whether the last answer to anyone was a refusal that is still held for the dependency's fault."""
        return self._in_outage

    async def call(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Tries until it is done or given up; what is raised says how many tries it took in `attempts`.

        Raises: the operation's own TransientError after `attempts` of them, its PoisonError and FatalError at once,
            and `OutageError.alone()` when only this event is refused.
        """
        seen = _Refusals()
        while True:
            seen.tries += 1
            served_before_at = self._served_at
            try:
                result = await operation()
            except OutageError as refusal:
                wait_s = self._refused(refusal, seen, served_before_at)
            except TransientError as error:
                wait_s = self._unlucky(error, seen)
            except ZoomInError as error:
                error.attempts = seen.tries
                if isinstance(error, PoisonError):
                    self._served()
                raise
            else:
                self._served()
                return result
            await self._sleep(wait_s)
            await self._ask_for_someone_else(seen)

    def _refused(self, refusal: OutageError, seen: _Refusals, served_before_at: float) -> float:
        now = self._clock()
        # Someone must have been served between each two tries of this event, as long as patience lasts: a dependency
        # that comes back by and by would otherwise condemn every event that the outage has kept waiting.
        others_served = seen.streak > 0 and served_before_at >= seen.last_at
        if not others_served:
            seen.alone_since = now
        elif now - seen.alone_since >= self._policy.patience_s:
            self._set_outage(False)
            poison = refusal.alone()
            poison.attempts, poison.stage = seen.tries, refusal.stage
            raise poison from refusal
        seen.streak += 1
        seen.first_at = seen.first_at if seen.streak > 1 else now
        seen.last_at = now
        self._set_outage(True)
        return self._next_wait_s(refusal, seen.streak)

    def _unlucky(self, error: TransientError, seen: _Refusals) -> float:
        self._served()
        seen.unlucky += 1
        seen.streak = 0
        if seen.unlucky >= self._policy.attempts:
            error.attempts = seen.tries
            raise error
        return self._next_wait_s(error, seen.unlucky)

    def _next_wait_s(self, error: ZoomInError, failures: int) -> float:
        wait_s = self._policy.wait_s(failures, self._rng)
        self._on_retry(error, wait_s)
        return wait_s

    async def _ask_for_someone_else(self, seen: _Refusals) -> None:
        patient = self._clock() - seen.first_at < self._policy.patience_s
        if self._probe is None or seen.streak == 0 or patient or self._served_at >= seen.last_at:
            return
        try:
            await self._probe()
        except ZoomInError:
            return
        self._served_at = self._clock()  # and no more: an outage ends when an event is served

    def _served(self) -> None:
        self._served_at = self._clock()
        self._set_outage(False)

    def _set_outage(self, out: bool) -> None:
        if out is not self._in_outage:
            self._in_outage = out
            self._on_outage(out)
