"""Bounds the pixels that are held at once, across all events in flight.

Invariant: held pixels stay within the limit, but for an image larger than all of it, which is held alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PixelBudget:
    def __init__(self, limit_px: int) -> None:
        self._limit_px = limit_px
        self._held_px = 0
        self._changed = asyncio.Condition()
        self._first_in_line = asyncio.Lock()  # or small images would pass a large one for ever

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        async with self._first_in_line, self._changed:
            await self._changed.wait_for(lambda: self._held_px == 0 or self._held_px + pixels <= self._limit_px)
            self._held_px += pixels
        try:
            yield
        finally:
            self._held_px -= pixels
            async with self._changed:
                self._changed.notify_all()
