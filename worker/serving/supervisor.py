"""Supervisor of the engine: it starts the engine, restarts it within a budget, and asks suspects alone.

Invariant: a query is lost only with its event. An event is a suspect if it was in flight when the engine died or came
while the next one started: from then on its queries are asked alone, and if one of them kills the engine again the
event is poison. Suspects go in the order in which the loop admitted them, which their tasks' names hold; an older
event that comes later joins them. So all events before a poisonous one are answered before it ends the next engine,
and each life of a worker moves its group forward.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol
from weakref import WeakSet

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import EngineDead, EnginePoison, FatalError, InferenceTimeout
from worker.common.retry import Retrier
from worker.observe import telemetry
from worker.observe.telemetry import Metrics

BUDGET_WINDOW_S = 3600.0
START_DEADLINE_S = 1800.0
"""the largest checkpoints take minutes; vLLM itself has no deadline for a core that hangs"""
GRACE_S = 5.0
"""between the death that uses up the budget and the end: time to send dead letters and commit answered events"""


class Engine(VisionEngine, Protocol):
    """A VisionEngine that can be closed and names its version."""

    @property
    def version(self) -> str: ...

    async def close(self) -> None: ...


class Supervisor:
    """A VisionEngine that outlives the engines it starts."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Engine]],
        *,
        restarts: int,
        retrier: Retrier,
        metrics: Metrics,
        start_deadline_s: float = START_DEADLINE_S,
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._restarts = restarts
        self._retrier = retrier
        self._metrics = metrics
        self._start_deadline_s = start_deadline_s
        self._grace_s = grace_s
        self._clock = clock
        self._engine: Engine | None = None
        self._generation = 0
        self._answered = 0
        self._deaths: deque[float] = deque()
        self._restart: asyncio.Task[None] | None = None
        self._isolation = Isolation()
        self._suspects: WeakSet[asyncio.Task[object]] = WeakSet()

    async def start(self) -> None:
        """Start the first engine. Raises: EngineDead, BadSettings."""
        self._engine = await self._start_within_deadline()
        telemetry.get_logger().info(telemetry.ENGINE_STARTED, engine=self._engine.version)

    @property
    def ready(self) -> bool:
        """True while an engine serves, as far as we know."""
        return self._engine is not None and not self._restarting and not self.dead

    @property
    def dead(self) -> bool:
        """True when the engine is gone for good."""
        restart = self._restart
        return restart is not None and restart.done() and (restart.cancelled() or restart.exception() is not None)

    @property
    def running(self) -> Engine:
        assert self._engine is not None, "start() comes first"
        return self._engine

    @property
    def card(self) -> CheckpointCard:
        return self.running.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        """Answer a query, by the next engine if this one dies.

        Raises: EnginePoison, the query's own TransientError after its tries, EngineDead when the budget is spent.
        """
        return await self._retrier.call(lambda: self._ask(query, temperature))

    async def close(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.gather(self._restart, return_exceptions=True)
        if self._engine is not None:
            await self._engine.close()

    async def _ask(self, query: Query, temperature: float) -> Answer:
        event = asyncio.current_task()
        assert event is not None, "each event is a task"
        failed = False
        if event not in self._suspects:
            generation = self._generation
            async with self._isolation.join(event.get_name()) as admitted:
                if admitted and generation == self._generation and self.ready:
                    answered_before = self._answered
                    try:
                        return await self._answer(query, temperature)
                    except EngineDead as error:
                        death = error.detail
                    except InferenceTimeout as error:
                        if self._answered > answered_before:
                            raise  # others were answered meanwhile: this query is to blame, not the engine
                        death = f"no query was answered: {error.detail}"
                    self._replace(generation, death)
                    failed = True
            self._suspects.add(event)
        return await self._ask_alone(query, temperature, event.get_name(), failed=failed)

    async def _ask_alone(self, query: Query, temperature: float, name: str, *, failed: bool) -> Answer:
        while True:
            async with self._isolation.isolate(name, after=self._await_restart):
                generation = self._generation
                try:
                    return await self._answer(query, temperature)
                except (EngineDead, InferenceTimeout) as error:
                    self._replace(generation, error.detail)
                    if failed:  # its dead letter goes out while the next engine starts
                        raise EnginePoison(f"asked alone, it failed again: {error.detail}") from error
                    failed = True

    async def _answer(self, query: Query, temperature: float) -> Answer:
        answer = await self.running.ask(query, temperature=temperature)
        self._answered += 1
        return answer

    @property
    def _restarting(self) -> bool:
        return self._restart is not None and not self._restart.done()

    def _replace(self, generation: int, death: str) -> None:
        """Start a new engine in place of this generation, once for all queries that find it dead.

        The start is a task of its own: the event that found the engine dead may be cancelled with its partition.
        """
        if generation == self._generation:
            self._generation += 1
            self._restart = asyncio.create_task(self._start_anew(death))
            self._restart.add_done_callback(_retrieve_exception)

    async def _await_restart(self) -> None:
        """Wait until no restart is running. Raises: EngineDead when it has failed for good."""
        restart = None
        while restart is not self._restart:  # the new engine may die before this query is asked
            restart = self._restart
            if restart is not None:
                await asyncio.shield(restart)

    async def _start_anew(self, death: str) -> None:
        await self._spend_one_restart(death)
        try:
            await self.running.close()
            self._engine = await self._try_until_started()
        except FatalError:
            raise
        except Exception as error:  # our bug, but no event's: without an engine none can be judged
            raise EngineDead(f"the engine could not be restarted: {type(error).__name__}: {error}") from error
        self._metrics.engine_restarts.inc()
        telemetry.get_logger().info(telemetry.ENGINE_STARTED, engine=self._engine.version, restarts=len(self._deaths))

    async def _try_until_started(self) -> Engine:
        while True:
            try:
                return await self._start_within_deadline()
            except EngineDead as error:
                await self._spend_one_restart(error.detail)

    async def _start_within_deadline(self) -> Engine:
        try:
            async with asyncio.timeout(self._start_deadline_s):
                return await self._start()
        except TimeoutError as error:
            raise EngineDead(f"the engine did not start within {self._start_deadline_s:g} s") from error

    async def _spend_one_restart(self, death: str) -> None:
        now = self._clock()
        while self._deaths and now - self._deaths[0] > BUDGET_WINDOW_S:
            self._deaths.popleft()
        self._deaths.append(now)
        deaths = len(self._deaths)
        telemetry.get_logger().warning(telemetry.ENGINE_DIED, deaths=deaths, allowed=self._restarts, detail=death)
        if deaths > self._restarts:
            await asyncio.sleep(self._grace_s)
            raise EngineDead(f"the engine died {deaths} times within an hour, {self._restarts} are allowed: {death}")


def _retrieve_exception(restart: asyncio.Task[None]) -> None:
    """Mark the failure as seen: no query may wait for it now, and the next query raises it."""
    if not restart.cancelled():
        restart.exception()


class Isolation:
    """Admits many events together or one alone; events that wait to be alone go first, in the order of their names."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._together = 0
        self._waiting: list[str] = []
        self._occupied = False

    @asynccontextmanager
    async def join(self, name: str) -> AsyncIterator[bool]:
        """Yield True when the event may be asked with others.

        Yields False at once if a younger event waits to be alone: that one must not be asked first, so this one has to
        be asked alone too.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_younger(name) or not (self._occupied or self._waiting))
            admitted = not self._waiting
            self._together += admitted
        try:
            yield admitted
        finally:
            self._together -= admitted
            await self._notify()

    @asynccontextmanager
    async def isolate(self, name: str, *, after: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Wait until the event may be asked alone.

        `after` is awaited in the queue, so that all who wait are known before the first goes, and again inside.
        """
        self._waiting.append(name)
        entered = False
        try:
            await self._notify()
            await after()
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_turn_of(name))
                self._occupied, entered = True, True
            await after()
            yield
        finally:
            self._waiting.remove(name)
            self._occupied = self._occupied and not entered
            await self._notify()

    def _has_younger(self, name: str) -> bool:
        return any(name < other for other in self._waiting)

    def _is_turn_of(self, name: str) -> bool:
        return not self._occupied and self._together == 0 and name == min(self._waiting)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
