"""Owns the engine: starts and warms it, restarts it within a budget, and asks suspects alone.

Invariant: a query is lost only with its event; whoever was in flight when the engine died asks again, one at a time,
and the one that kills it again is poison.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import EngineDead, EnginePoison, InferenceTimeout
from worker import telemetry
from worker.retry import Retrier
from worker.telemetry import Metrics

BUDGET_WINDOW_S = 3600.0


class Engine(VisionEngine, Protocol):
    """What the supervisor needs besides `ask`."""

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._restarts = restarts
        self._retrier = retrier
        self._metrics = metrics
        self._clock = clock
        self._engine: Engine | None = None
        self._generation = 0
        self._answered = 0
        self._deaths: deque[float] = deque()
        self._restarting = asyncio.Lock()
        self._isolation = Isolation()
        self.dead = False

    async def start(self) -> None:
        self._engine = await self._start()
        telemetry.logger().info(telemetry.ENGINE_STARTED, engine=self._engine.version)

    @property
    def ready(self) -> bool:
        return self._engine is not None and not self._restarting.locked() and not self.dead

    @property
    def running(self) -> Engine:
        assert self._engine is not None, "start() comes first"
        return self._engine

    @property
    def card(self) -> CheckpointCard:
        return self.running.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        """Raises: EnginePoison, the query's own TransientError after its tries, EngineDead when the budget is spent."""
        return await self._retrier.call(lambda: self._ask(query, temperature))

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    async def _ask(self, query: Query, temperature: float) -> Answer:
        async with self._isolation.together():
            async with self._restarting:  # waits out a restart
                generation, answered = self._generation, self._answered
            try:
                return await self._answer(query, temperature)
            except EngineDead:
                pass
            except InferenceTimeout:
                if self._answered > answered:
                    raise  # others were served meanwhile: this query is to blame, not the engine
        await self._restart(generation)
        async with self._isolation.alone():
            generation = self._generation
            try:
                return await self._answer(query, temperature)
            except (EngineDead, InferenceTimeout) as error:
                poison = EnginePoison(f"asked alone, it failed again: {error.detail}")
                poison.__cause__ = error
        await self._restart(generation)
        raise poison

    async def _answer(self, query: Query, temperature: float) -> Answer:
        answer = await self.running.ask(query, temperature=temperature)
        self._answered += 1
        return answer

    async def _restart(self, generation: int) -> None:
        async with self._restarting:
            if generation != self._generation:
                return  # somebody else already replaced the engine that failed us
            self._spend_one_restart()
            self._generation += 1
            await self.running.close()
            self._engine = await self._start()
            self._metrics.engine_restarts.inc()
            telemetry.logger().info(telemetry.ENGINE_STARTED, engine=self._engine.version, restarts=len(self._deaths))

    def _spend_one_restart(self) -> None:
        now = self._clock()
        while self._deaths and now - self._deaths[0] > BUDGET_WINDOW_S:
            self._deaths.popleft()
        self._deaths.append(now)
        telemetry.logger().warning(telemetry.ENGINE_DIED, deaths=len(self._deaths), allowed=self._restarts)
        if len(self._deaths) > self._restarts:
            self.dead = True
            raise EngineDead(f"the engine died {len(self._deaths)} times within an hour; {self._restarts} are allowed")


class Isolation:
    """Many together or one alone; whoever wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._together = 0
        self._waiting = 0
        self._occupied = False

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._occupied and self._waiting == 0)
            self._together += 1
        try:
            yield
        finally:
            self._together -= 1
            await self._notify()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        self._waiting += 1
        entered = False
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._occupied and self._together == 0)
                self._occupied, entered = True, True
            yield
        finally:
            self._waiting -= 1
            self._occupied = self._occupied and not entered
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
