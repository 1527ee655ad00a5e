"""Retries of operations that fail: one Retrier for each dependency.

Invariant: a dependency that refuses everyone costs no event; one that refuses a single event costs that event. Of
several peers, one that refuses everyone while the others serve costs its own events and holds up no other.
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

    `alone_since` is the time of its last refusal that may have been one of all events of the dependency,
    `outcast_since` that of its last refusal that may have been one of all peers, or of this event alone. `is_probed`
    says that the dependency was probed for this event.
    """

    tries: int = 0
    unlucky: int = 0
    streak: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    alone_since: float = 0.0
    outcast_since: float = 0.0
    is_probed: bool = False


@dataclass(slots=True)
class Peers:
    """Dependencies that fail one by one, such as the buckets of one S3, with the last time that any served an event."""

    served_at: float = -float("inf")
    is_probing: bool = False


@dataclass(frozen=True, slots=True)
class Probes:
    """What is tried in place of another event when none is served: `own` asks the dependency, `peers` any other one.

    A probe performs the operation itself: what only resembles it proves nothing.
    """

    own: Callable[[], Awaitable[object]] | None = None
    peers: Callable[[], Awaitable[object]] | None = None


NO_PROBES = Probes()


class Retrier:
    """Remembers when its dependency, and when any of its peers, last served an event.

    If no other event succeeds meanwhile, a probe runs after `patience_s` in its place; such an event is dead-lettered
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
        on_outage: Callable[[OutageError | None], None] = lambda _refusal: None,
        probes: Probes = NO_PROBES,
        peers: Peers | None = None,
    ) -> None:
        """`on_retry` gets each failure to be tried again and the pause before it.

        `on_outage` gets the refusal that begins an outage, and None at its end.
        """
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._on_retry = on_retry
        self._on_outage = on_outage
        self._probes = probes
        self._peers = peers or Peers()
        self._served_at = -float("inf")
        self._in_outage = False
        self._given_up = False

    @property
    def in_outage(self) -> bool:
        """True if the dependency's last answer to any event was a refusal that is still taken for its own fault."""
        return self._in_outage

    async def call(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Try the operation until it succeeds or is given up; an error holds the number of tries in `attempts`.

        Raises: the operation's own TransientError after `attempts` of them, its PoisonError and FatalError at once,
            `OutageError.blame_event()` when only this event is refused, and `OutageError.blame_dependency()` when
            every event is refused that peers would serve.
        """
        failures = _Failures()
        while True:
            failures.tries += 1
            served_before = self._served_at, self._peers.served_at
            try:
                result = await operation()
            except OutageError as refusal:
                wait_s = self._handle_refusal(refusal, failures, *served_before)
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

    def _handle_refusal(
        self, refusal: OutageError, failures: _Failures, served_before_at: float, peers_served_before_at: float
    ) -> float:
        now = self._clock()
        # Others must have been served between any two tries of this event, for all of `patience_s`: otherwise a
        # dependency that comes back slowly would dead-letter every event that had to wait during the outage.
        others_served = failures.streak > 0 and served_before_at >= failures.last_at
        peers_served = failures.streak > 0 and peers_served_before_at >= failures.last_at
        if not others_served:
            failures.alone_since = now
        if others_served or not peers_served:
            failures.outcast_since = now
        self._blame(refusal, failures, now)
        failures.streak += 1
        failures.first_at = failures.first_at if failures.streak > 1 else now
        failures.last_at = now
        self._set_outage(refusal)
        return self._choose_wait_s(refusal, failures.streak)

    def _blame(self, refusal: OutageError, failures: _Failures, now: float) -> None:
        """Raise the error of the event if its patience is over; return if it has to wait."""
        poison: PoisonError | None = None
        if now - failures.alone_since >= self._policy.patience_s:
            poison = refusal.blame_event()
            self._set_outage(None if poison else refusal)
        elif failures.outcast_since < now and now - failures.outcast_since >= self._patience_with_peers_s:
            # Without a probe, the only event of an idle bucket would pass for a bucket that refuses everyone.
            poison = refusal.blame_dependency() if failures.is_probed or self._given_up else None
            self._given_up = poison is not None
        if poison is not None:
            poison.attempts, poison.stage = failures.tries, refusal.stage
            raise poison from refusal

    @property
    def _patience_with_peers_s(self) -> float:
        # Each event of a dependency that was given up would otherwise wait as long as the first one.
        return 0.0 if self._given_up else self._policy.patience_s

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
        patient = self._clock() - failures.first_at < self._patience_with_peers_s
        if failures.streak == 0 or patient or self._peers.is_probing:
            return
        self._peers.is_probing = True  # one probe stands for all who wait
        try:
            if self._served_at < failures.last_at and not self._given_up:
                failures.is_probed = True
                if await self._passes(self._probes.own):
                    self._served_at = self._peers.served_at = self._clock()  # the outage ends with an event
            if self._peers.served_at < failures.last_at and await self._passes(self._probes.peers):
                self._peers.served_at = self._clock()
        finally:
            self._peers.is_probing = False

    async def _passes(self, probe: Callable[[], Awaitable[object]] | None) -> bool:
        if probe is None:
            return False
        try:
            await probe()
        except ZoomInError:
            return False
        return True

    def _note_served(self) -> None:
        self._served_at = self._peers.served_at = self._clock()
        self._given_up = False
        self._set_outage(None)

    def _set_outage(self, refusal: OutageError | None) -> None:
        if (refusal is not None) is not self._in_outage:
            self._in_outage = refusal is not None
            self._on_outage(refusal)
