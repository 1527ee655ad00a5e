"""Decoding within a bound of memory: few images at once, and each waits until the pixel budget has room for it.

Invariant: a decoded image keeps its turn at the decoder until there is room for its pixels, so at most `turns` images
wait outside the budget.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from pipeline.verdict import RgbImage
from worker.serving.pixel_budget import PixelBudget


class Decoder(Protocol):
    async def decode(self, data: bytes) -> RgbImage: ...


class BoundedDecoder:
    def __init__(self, decoder: Decoder, *, turns: int, budget: PixelBudget) -> None:
        self._decoder = decoder
        self._turns = asyncio.Semaphore(turns)
        self._budget = budget

    @asynccontextmanager
    async def hold_decoded(self, data: bytes) -> AsyncIterator[RgbImage]:
        """Decode an image and hold its pixels in the budget until the context is left.

        Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
        """
        async with AsyncExitStack() as pixels_held:
            async with self._turns:
                image = await self._decoder.decode(data)
                width, height = image.size_px
                await pixels_held.enter_async_context(self._budget.hold(width * height))
            yield image
