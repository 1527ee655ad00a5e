"""Decode untrusted images from asyncio code, in a pool of decoder processes.

Invariant: each decoder is idle or works for exactly one thread of the pool. Who needs the pixels that a decoder keeps
gets it before those who have a new file.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from pipeline.errors import ZoomInError
from pipeline.geometry import Size
from pipeline.sandbox.decoder import DecodedFile, Decoder, KeptPixels, PixelsLost
from pipeline.sandbox.exchange import Confinement
from pipeline.sandbox.sandboxed_image import SandboxedImage
from pipeline.verdict import BoundingBox, Crop, RgbImage

Result = TypeVar("Result")
Waiter = asyncio.Future[Decoder]


class DecodePool:
    """`workers` decoder processes, each working on one image at a time; further images wait in a queue.

    All processes together keep at most `keep_pixels`. Crops of kept pixels wait `owner_patience_s` for their process,
    which may be at a slow file; then another one decodes theirs again. The other limits are those of `Decoder`.
    """

    def __init__(
        self,
        *,
        max_pixels: int,
        workers: int = 2,
        keep_pixels: int = 0,
        memory_limit_mib: int | None = None,
        deadline_s: float = 20.0,
        owner_patience_s: float = 2.0,
        niceness: int = 0,
    ) -> None:
        self._owner_patience_s = owner_patience_s
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._idle = [
            Decoder(
                max_pixels=max_pixels,
                keep_pixels=keep_pixels // workers,
                memory_limit_mib=memory_limit_mib,
                deadline_s=deadline_s,
                niceness=niceness,
            )
            for _ in range(workers)
        ]
        self._decoders = list(self._idle)
        self._waiters_for_any: deque[Waiter] = deque()
        self._waiters: dict[Decoder, deque[Waiter]] = {decoder: deque() for decoder in self._decoders}
        self._drops: set[asyncio.Task[None]] = set()

    async def read_confinement(self) -> Confinement:
        """Return the layers that confine the processes, of one of them. Raises: InternalFault if it does not start."""
        return await self._run(lambda decoder: decoder.read_confinement())

    async def decode(self, data: bytes) -> RgbImage:
        """Decode a file with all its pixels. Raises: ImageRefused, ImageTooLarge, ImageUndecodable, InternalFault."""
        return await self._run(lambda decoder: decoder.decode(data))

    @asynccontextmanager
    async def open_image(self, data: bytes, *, view_max_pixels: int) -> AsyncIterator[SandboxedImage]:
        """Decode a file and build its view; a process keeps the pixels until the context is left, if it has room.

        Raises: as `decode`.
        """

        def abandon(decoded: DecodedFile) -> None:
            if decoded.kept is not None:
                self.drop(decoded.kept)

        decoded = await self._run(lambda decoder: decoder.build_view(data, view_max_pixels), abandon=abandon)
        image = SandboxedImage(self, data, decoded, view_max_pixels)
        try:
            yield image
        finally:
            image.release_pixels()

    async def build_view(self, data: bytes, max_pixels: int) -> DecodedFile:
        """Decode a file and build its view, without keeping its pixels. Raises: as `decode`."""
        return await self._run(lambda decoder: decoder.build_view(data, max_pixels, keep=False))

    async def cut_crops(
        self, source: bytes | KeptPixels, size_px: Size, boxes: Sequence[BoundingBox], max_pixels: int
    ) -> tuple[Crop, ...]:
        """Cut crops from a file, or from the pixels that a process keeps.

        Raises: as `decode` for a file; PixelsLost for kept pixels if their process is gone, or busy for too long.
        """

        def cut(decoder: Decoder) -> tuple[Crop, ...]:
            return decoder.cut_crops(source, size_px, boxes, max_pixels)

        if isinstance(source, bytes):
            return await self._run(cut)
        return await self._run(cut, owner=source.decoder, patience_s=self._owner_patience_s)

    async def encode_png(self, data: bytes, size_px: Size) -> bytes:
        """Decode a file that holds an image of this size, and encode its pixels as PNG. Raises: as `decode`."""
        return await self._run(lambda decoder: decoder.encode_png(data, size_px))

    def drop(self, kept: KeptPixels) -> None:
        """Let the process free the pixels when it is idle; nobody waits for it."""
        task = asyncio.get_running_loop().create_task(self._free(kept))
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)

    def close(self) -> None:
        """Kill all decoder processes, also those that are working."""
        for decoder in self._decoders:
            decoder.kill()
        for waiters in (self._waiters_for_any, *self._waiters.values()):
            for waiter in waiters:
                waiter.cancel()
        self._threads.shutdown(cancel_futures=True)
        while self._decoders:
            self._decoders.pop().close()

    async def _run(
        self,
        work: Callable[[Decoder], Result],
        *,
        owner: Decoder | None = None,
        patience_s: float | None = None,
        abandon: Callable[[Result], None] | None = None,
    ) -> Result:
        """Run `work` with the owner or any decoder; a result that nobody waits for any more goes to `abandon`.

        Raises: PixelsLost if no decoder is free after `patience_s`; what `work` raises.
        """
        try:
            async with asyncio.timeout(patience_s):
                decoder = await self._acquire(owner)
        except TimeoutError:
            raise PixelsLost from None
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, decoder)
        running.add_done_callback(lambda _: self._release(decoder))
        try:
            return await asyncio.shield(running)  # its thread goes on when the caller is cancelled
        except asyncio.CancelledError:
            if abandon is not None:
                running.add_done_callback(lambda _: None if _failed(running) else abandon(running.result()))
            raise

    async def _acquire(self, owner: Decoder | None) -> Decoder:
        decoder = next((idle for idle in self._idle if owner in (None, idle)), None)
        if decoder is not None:
            self._idle.remove(decoder)
            return decoder
        waiter: Waiter = asyncio.get_running_loop().create_future()
        (self._waiters_for_any if owner is None else self._waiters[owner]).append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release(waiter.result())
            raise

    def _release(self, decoder: Decoder) -> None:
        for waiters in (self._waiters[decoder], self._waiters_for_any):
            while waiters:
                waiter = waiters.popleft()
                if not waiter.done():
                    waiter.set_result(decoder)
                    return
        self._idle.append(decoder)

    async def _free(self, kept: KeptPixels) -> None:
        try:
            await self._run(lambda decoder: decoder.drop(kept), owner=kept.decoder)
        except (ZoomInError, RuntimeError, OSError):  # the process ended, or the pool is closed: nothing is kept
            return


def _failed(running: asyncio.Future[Result]) -> bool:
    return running.cancelled() or running.exception() is not None
