"""A worker's recovery from a death of the engine, in virtual time: the real supervisor on the latencies of a GPU.

The latencies are those computed for a 7B on one H200, both queries of 200 tokens each: 1.34 s for an image that is
alone, 36.8 images/s for 256 at once, and in between as the sum of a fixed time and one that grows with the batch.
"""

import asyncio
import bisect
import itertools
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, EnginePoison
from worker.common.retry import Retrier, RetryPolicy
from worker.observe.telemetry import Metrics
from worker.serving.supervisor import Supervisor

SEQUENCES = 256
ANSWER_TOKENS = 200
READING_S = 0.05
"""until the first token: image and text are read"""
WRITING_S = 0.61
"""all tokens of one answer, alone"""
EACH_OTHER_S = 0.011
"""longer for each other query in the engine"""
IN_FLIGHT = 384
WINDOW_S = 10.0
"""over which a rate is taken: after a restart, all events are at the same step, and verdicts come in waves"""
RATE_BACK = 0.8
BEFORE_S = 25.0
CHECKPOINT = Checkpoint(Path("large"), CheckpointCard(), "sha256:0")
AFTER_S = 90.0


class ModelledEngine:
    """Takes the time of a GPU for each query; a deadly one ends it when it has `fatal_token` tokens."""

    card = CheckpointCard()
    version = "model of a GPU"

    def __init__(self, deadly: Collection[str], fatal_token: int) -> None:
        self._deadly = deadly
        self._fatal_token = fatal_token
        self._places = asyncio.Semaphore(SEQUENCES)
        self._in_engine = 0
        self._died = asyncio.Event()

    @property
    def dead(self) -> bool:
        return self._died.is_set()

    def die(self) -> None:
        self._died.set()

    def find_reload_obstacle(self, checkpoint: Checkpoint) -> str:
        return "it has no weights"

    async def reload(self, checkpoint: Checkpoint) -> None:
        raise AssertionError("it has no weights")

    async def close(self) -> None:
        self.die()

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        async with self._places:
            self._in_engine += 1
            is_deadly = query.instructions in self._deadly and query.max_tokens > self._fatal_token
            token_s = (WRITING_S + EACH_OTHER_S * self._in_engine) / ANSWER_TOKENS
            takes_s = READING_S + token_s * (self._fatal_token if is_deadly else query.max_tokens)
            try:
                async with asyncio.timeout(takes_s):
                    await self._died.wait()
            except TimeoutError:
                if is_deadly:
                    self.die()
            finally:
                self._in_engine -= 1
        if self.dead:
            raise EngineDead("killed")
        return Answer("", 0.5)


@dataclass(slots=True)
class Recovery:
    """The end of a course: `recovered_s` counts from the death until the rate is back for good."""

    recovered_s: float = 0.0
    deaths: int = 0
    verdicts_at: list[float] = field(default_factory=list)
    poison: list[str] = field(default_factory=list)
    unlucky: list[str] = field(default_factory=list)
    """dead letters of events that did not end the engine"""


async def measure_recovery(
    *, restart_s: float, restarts: int, deadly_places: tuple[int, ...] = (), fatal_token: int = 0
) -> Recovery:
    """Let the engine die with 384 events in flight, of which those at `deadly_places` end each further engine."""
    course = _Course(restart_s=restart_s, restarts=restarts, deadly_places=deadly_places, fatal_token=fatal_token)
    deaths = 1 + len(deadly_places) + (fatal_token > 0)
    return await course.run(before_s=BEFORE_S, after_s=deaths * restart_s + AFTER_S)


def build_bar_s(*, restart_s: float) -> float:
    """Build the longest recovery that is good enough: two restarts and half a minute."""
    return 2 * restart_s + 30.0


class _Course:
    """Events flow at full rate; the engine dies once, and again at each query of the deadly events."""

    def __init__(self, *, restart_s: float, restarts: int, deadly_places: tuple[int, ...], fatal_token: int) -> None:
        self._restart_s = restart_s
        self._deadly_places = deadly_places
        self._fatal_token = fatal_token
        self._deadly: set[str] = set()
        self._engines: list[ModelledEngine] = []
        self._numbers = itertools.count()
        self._in_flight: set[str] = set()
        self._result = Recovery()
        loop = asyncio.get_running_loop()
        retrier = Retrier(
            RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=60),
            clock=loop.time,
            sleep=asyncio.sleep,
            rng=random.Random(0),
        )
        self._supervisor = Supervisor(
            self._start, CHECKPOINT, restarts=restarts, retrier=retrier, metrics=Metrics(), clock=loop.time
        )

    async def run(self, *, before_s: float, after_s: float) -> Recovery:
        await self._supervisor.start()
        slots = [asyncio.create_task(self._fill_slot(), name="slot") for _ in range(IN_FLIGHT)]
        await asyncio.sleep(before_s)
        died_at = asyncio.get_running_loop().time()
        in_flight = sorted(self._in_flight)
        self._deadly |= {in_flight[place] for place in self._deadly_places}
        self._engines[-1].die()
        await asyncio.sleep(after_s)
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        await self._supervisor.close()
        self._result.deaths = len(self._engines) - 1
        self._result.recovered_s = compute_recovered_s(self._result.verdicts_at, died_at, died_at + after_s)
        return self._result

    async def _start(self, _checkpoint: Checkpoint) -> ModelledEngine:
        await asyncio.sleep(self._restart_s)
        self._engines.append(ModelledEngine(self._deadly, self._fatal_token))
        return self._engines[-1]

    async def _fill_slot(self) -> None:
        while True:
            event = f"event {next(self._numbers):012d}"
            await asyncio.create_task(self._judge(event), name=event)

    async def _judge(self, event: str) -> None:
        self._in_flight.add(event)
        try:
            for _ in range(2):
                await self._supervisor.ask(Query(event, (), "", "", max_tokens=ANSWER_TOKENS))
            self._result.verdicts_at.append(asyncio.get_running_loop().time())
        except EnginePoison:
            (self._result.poison if event in self._deadly else self._result.unlucky).append(event)
        finally:
            self._in_flight.discard(event)


def compute_recovered_s(verdicts_at: list[float], died_at: float, end: float) -> float:
    """Return the time from the death to the last moment after which a window holds too few verdicts."""
    before = count_between(verdicts_at, died_at - WINDOW_S, died_at)
    recovered_at = died_at
    for half_second in range(int(2 * (end - WINDOW_S - died_at))):
        at = died_at + half_second / 2
        if count_between(verdicts_at, at, at + WINDOW_S) < RATE_BACK * before:
            recovered_at = at + 0.5
    return recovered_at - died_at


def count_between(times: list[float], begin: float, end: float) -> int:
    return bisect.bisect_left(times, end) - bisect.bisect_left(times, begin)
