"""An evaluation, and its very questions asked directly: what it would reach on this engine if it cost nothing."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query
from tests.bench.run.job import EvaluationJob, EvaluationResult
from tests.bench.with_engine.bare import CountingEngine
from training.evaluation import evaluate, samples
from training.synthetic import scenes

Asked = tuple[Query, float]


@dataclass
class Recording:
    """The engine, and a record of what it was asked at which temperature."""

    engine: CountingEngine
    asked: list[Asked] = field(default_factory=list)

    @property
    def card(self) -> CheckpointCard:
        return self.engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        self.asked.append((query, temperature))
        return await self.engine.ask(query, temperature=temperature)


async def perform(job: EvaluationJob, engine: CountingEngine) -> EvaluationResult:
    """Evaluated, asked, asked, evaluated: a machine that grows busier meanwhile weighs on both alike."""
    numbers = range(job.first_scene, job.first_scene + job.images)
    drawn = samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in numbers])
    recordings = [Recording(engine), Recording(engine)]
    seconds = [
        await _seconds(engine, evaluate.predict(drawn, recordings[0], concurrency=job.concurrency)),
        await _seconds(engine, _ask(recordings[0].asked, engine, job.concurrency)),
        await _seconds(engine, _ask(recordings[0].asked, engine, job.concurrency)),
        await _seconds(engine, evaluate.predict(drawn, recordings[1], concurrency=job.concurrency)),
    ]
    first, *asked, last = [job.images / each for each in seconds]
    return EvaluationResult([first, last], asked, len(recordings[0].asked))


async def _ask(asked: Sequence[Asked], engine: CountingEngine, concurrency: int) -> None:
    """In the order that they were asked in, `concurrency` at once, with nothing between two of them."""
    waiting = iter(asked)

    async def lane() -> None:
        for query, temperature in waiting:
            await engine.ask(query, temperature=temperature)

    await asyncio.gather(*(lane() for _ in range(concurrency)))


async def _seconds(engine: CountingEngine, work: Awaitable[object]) -> float:
    """On an engine that remembers no image and no prompt."""
    await engine.forget()
    began = time.perf_counter()
    await work
    return time.perf_counter() - began
