"""Bound of the pixels that all events in flight hold at once.

Invariant: held pixels stay within the limit, except for an image larger than the whole limit, which is held alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PixelBudget:
    def __init__(self, limit_px: int) -> None:
        self._limit_px = limit_px
        self._held_px = 0
        self._changed = asyncio.Condition()
        self._first_in_line = asyncio.Lock()  # otherwise small images would pass a large one for ever

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Wait until there is room for the pixels; hold them until the context is left."""
        async with self._first_in_line, self._changed:
            await self._changed.wait_for(lambda: self._held_px == 0 or self._held_px + pixels <= self._limit_px)
            self._held_px += pixels
        try:
            yield
        finally:
            self._held_px -= pixels
            async with self._changed:
                self._changed.notify_all()
