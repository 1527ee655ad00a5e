"""Supervisor of the engine: it starts the engine and restarts it within a budget; `Isolation` finds who killed it.

Invariant: a query is lost only with its event, and no event is poison unless the engine died twice while it was asked,
the second time alone. Each start is one of the checkpoint that serves, not of one that is still to prove itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.errors import EngineDead, EnginePoison, FatalError, InferenceTimeout, TransientError, ZoomInError
from worker.common.retry import Retrier
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.serving.isolation import Admission, Isolation, Ticket
from worker.serving.refusal import ModelRefused, Refusal

BUDGET_WINDOW_S = 3600.0
GRACE_S = 5.0
"""between the death that uses up the budget and the end: time to send dead letters and commit answered events"""
WATCH_S = 1.0
"""between two looks at an engine that nobody asks"""
CORE_DIED = "its core process died"


class Engine(VisionEngine, Protocol):
    """A VisionEngine that can be closed, names its version and knows whether its core has died.

    `find_reload_obstacle` names what only a new engine can take over from a checkpoint, None if `reload` can. `reload`
    raises BadSettings for weights that cannot be loaded.
    """

    @property
    def version(self) -> str: ...

    @property
    def dead(self) -> bool: ...

    def find_reload_obstacle(self, checkpoint: Checkpoint) -> str | None: ...

    async def reload(self, checkpoint: Checkpoint) -> None: ...

    async def close(self) -> None: ...


class Supervisor:
    """A VisionEngine that outlives the engines it starts."""

    def __init__(
        self,
        start: Callable[[Checkpoint], Awaitable[Engine]],
        checkpoint: Checkpoint,
        *,
        restarts: int,
        retrier: Retrier,
        metrics: Metrics,
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._checkpoint = checkpoint
        self._restarts = restarts
        self._retrier = retrier
        self._metrics = metrics
        self._grace_s = grace_s
        self._clock = clock
        self._engine: Engine | None = None
        self._generation = 0
        self._answered = 0
        self._deaths: deque[float] = deque()
        self._restart: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_changing = False
        self._isolation = Isolation(clock=clock)

    async def start(self) -> None:
        """Start the first engine. Raises: EngineDead, BadSettings."""
        self._engine = await self._start(self._checkpoint)
        self._watch = asyncio.create_task(self._watch_engine())
        telemetry.get_logger().info(telemetry.ENGINE_STARTED, engine=self._engine.version)

    @property
    def ready(self) -> bool:
        """True while an engine serves."""
        busy = self._restarting or self._is_changing
        return self._engine is not None and not busy and not self.dead and not self._engine.dead

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

    async def change_checkpoint(
        self, checkpoint: Checkpoint, examine: Callable[[Engine], Awaitable[None]]
    ) -> str | None:
        """Serve another checkpoint if it loads and `examine` passes it, else the present one again; nobody asks.

        Returns the obstacle for which the engine was restarted; None if it took over new weights.

        Raises: ModelRefused, after which the present checkpoint serves; EngineDead if it does not start again.
        """
        self._is_changing = True
        try:
            await self._require_engine()
            obstacle = await self._load_and_examine(checkpoint, examine)
            self._checkpoint = checkpoint
            return obstacle
        finally:
            self._is_changing = False

    async def close(self) -> None:
        for task in (self._watch, self._restart):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._engine is not None:
            await self._engine.close()

    async def _ask(self, query: Query, temperature: float) -> Answer:
        event = asyncio.current_task()
        assert event is not None, "each event is a task"
        with self._isolation.enroll(event.get_name()) as ticket:
            while True:
                async with self._isolation.admit(ticket) as admission:
                    if admission is Admission.AS_PROBE:
                        await self._probe(query, ticket)
                    elif answer := await self._answer(query, temperature, ticket):
                        return answer

    async def _probe(self, query: Query, ticket: Ticket) -> None:
        ticket.is_probed = True
        with suppress(TransientError):  # the engine lives, and the whole query may have better luck
            await self._answer(replace(query, max_tokens=1), 0.0, ticket)

    async def _answer(self, query: Query, temperature: float, ticket: Ticket) -> Answer | None:
        """Return None if the engine died meanwhile. Raises: EnginePoison, the query's own TransientError."""
        generation, answered_before = self._generation, self._answered
        try:
            answer = await self.running.ask(query, temperature=temperature)
        except EngineDead as error:
            death = error.detail
        except InferenceTimeout as error:
            if self._answered > answered_before:
                raise  # others were answered meanwhile: this query is to blame, not the engine
            death = f"no query was answered: {error.detail}"
        else:
            self._answered += 1
            return answer
        self._replace(generation, death)  # a dead letter goes out while the next engine starts
        if self._isolation.blame(ticket):
            raise EnginePoison(f"asked alone, it failed again: {death}")
        return None

    async def _watch_engine(self) -> None:
        """Find the death of an engine that nobody asks; a query would find it by itself, but only when it comes."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self.running.dead and not (self._restarting or self._is_changing or self.dead):
                self._replace(self._generation, CORE_DIED)

    async def _require_engine(self) -> None:
        """Wait for a restart that is under way, or replace an engine that died just now. Raises: EngineDead."""
        if self.running.dead and not self._restarting:
            self._replace(self._generation, CORE_DIED)
        if self._restart is not None:
            await self._restart

    async def _load_and_examine(
        self, checkpoint: Checkpoint, examine: Callable[[Engine], Awaitable[None]]
    ) -> str | None:
        try:
            obstacle = self.running.find_reload_obstacle(checkpoint)
            if obstacle is None:
                await self.running.reload(checkpoint)
            else:
                await self.running.close()
                self._engine = await self._start(checkpoint)
            await examine(self.running)
        except Exception as error:  # of any class: the present checkpoint has to serve again
            await self._return_to_present()
            if isinstance(error, ModelRefused):
                raise
            detail = error.detail if isinstance(error, ZoomInError) else f"{type(error).__name__}: {error}"
            raise ModelRefused(Refusal.LOAD, detail) from error
        return obstacle

    async def _return_to_present(self) -> None:
        engine = self.running
        if not engine.dead and engine.find_reload_obstacle(self._checkpoint) is None:
            with suppress(FatalError):
                await engine.reload(self._checkpoint)
                return
        self._restart = asyncio.create_task(self._start_over())
        self._restart.add_done_callback(self._report_failure)
        await self._restart

    @property
    def _restarting(self) -> bool:
        return self._restart is not None and not self._restart.done()

    def _replace(self, generation: int, death: str) -> None:
        """Start a new engine in place of this generation, once for all queries that find it dead.

        The start is a task of its own: the event that found the engine dead may be cancelled with its partition.
        """
        if generation == self._generation:
            self._generation += 1
            self._isolation.close()
            self._restart = asyncio.create_task(self._start_anew(death))
            self._restart.add_done_callback(self._report_failure)

    def _report_failure(self, restart: asyncio.Task[None]) -> None:
        if not restart.cancelled() and (error := restart.exception()):
            self._isolation.fail(error)

    async def _start_anew(self, death: str) -> None:
        await self._spend_one_restart(death)
        await self._start_over()
        self._metrics.engine_restarts.inc()
        deaths = len(self._deaths)
        suspects = self._isolation.open(is_last_engine=deaths >= self._restarts)
        telemetry.get_logger().info(
            telemetry.ENGINE_STARTED, engine=self.running.version, restarts=deaths, suspects=suspects
        )

    async def _start_over(self) -> None:
        try:
            await self.running.close()
            self._engine = await self._try_until_started()
        except FatalError:
            raise
        except Exception as error:  # our bug, but no event's: without an engine none can be judged
            raise EngineDead(f"the engine could not be restarted: {type(error).__name__}: {error}") from error

    async def _try_until_started(self) -> Engine:
        while True:
            try:
                return await self._start(self._checkpoint)
            except EngineDead as error:
                await self._spend_one_restart(error.detail)

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
