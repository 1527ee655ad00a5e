"""Engines around an engine: one answers a repeated query from memory, one limits how many queries run at once."""

import asyncio

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query, VisionEngine
from training.common.journal import build_key


class CachingEngine:
    """An engine that answers a repeated query from its cache, also after the engine behind it is closed."""

    def __init__(self, engine: VisionEngine) -> None:
        self._engine = engine
        self._answers: dict[str, asyncio.Task[Answer]] = {}

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        key = digest_query(query, temperature)
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._engine.ask(query, temperature=temperature))
        return await self._answers[key]


class LimitedEngine:
    """An engine that gets at most `queries` at once: waiting in its own queue would count against its deadline."""

    def __init__(self, engine: VisionEngine, queries: int) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(queries)

    @property
    def card(self) -> CheckpointCard:
        return self._engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        async with self._slots:
            return await self._engine.ask(query, temperature=temperature)


def digest_query(query: Query, temperature: float) -> str:
    """Return a digest of everything in the query that decides its answer; pictures count by their pixels."""
    content = (f"text {part}" if isinstance(part, str) else f"image {part.sha256}" for part in query.content)
    fixed = (query.instructions, query.answer_start, query.grammar, str(query.max_tokens), str(temperature))
    return build_key(*fixed, *content)
