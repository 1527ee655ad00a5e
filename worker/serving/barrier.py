"""Barrier before the model: events enter while one model serves, and the model changes while no event is inside.

Invariant: all that an event sees of the model between entering and leaving is of one checkpoint.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pipeline.checkpoint import Checkpoint
from pipeline.wire.messages import ModelRef


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A checkpoint that serves, and the reference to it in verdicts."""

    checkpoint: Checkpoint
    ref: ModelRef


class EventsInside(Exception):
    """Events were still being judged at the deadline."""


class ModelBarrier:
    """Events that come while it is closed wait in their slots; once these are full, the loop pauses its partitions."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._inside = 0
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def is_open(self) -> bool:
        return self._is_open.is_set()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[ServedModel]:
        """Yield the model that judges an event; it stays the same until the context ends."""
        while not self.is_open:  # it may be closed again before this task goes on
            await self._is_open.wait()
        self._inside += 1
        self._is_empty.clear()
        try:
            yield self._model
        finally:
            self._inside -= 1
            if not self._inside:
                self._is_empty.set()

    @asynccontextmanager
    async def close(self, *, deadline_s: float) -> AsyncIterator[None]:
        """Let nobody in, wait until all are out, and open again at the end of the context.

        Raises: EventsInside if somebody is still inside after `deadline_s`; then the barrier is open again.
        """
        self._is_open.clear()
        try:
            try:
                async with asyncio.timeout(deadline_s):
                    await self._is_empty.wait()
            except TimeoutError:
                raise EventsInside from None
            yield
        finally:
            self._is_open.set()

    def change_model(self, model: ServedModel) -> None:
        """Let later events be judged by this model; the barrier is closed."""
        assert not self.is_open, "the next event would enter meanwhile"
        assert not self._inside, "an event would see two models"
        self._model = model
