"""Decode untrusted images from asyncio code, in a pool of decoder processes.

Invariant: each decoder is idle or works for exactly one thread of the pool.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from pipeline.sandbox.decoder import Decoder
from pipeline.verdict import RgbImage


class DecodePool:
    """`workers` decoder processes, each decoding one image at a time; further images wait in a queue.

    The limits are those of `Decoder`.
    """

    def __init__(
        self, *, max_pixels: int, workers: int = 2, memory_limit_mib: int | None = None, deadline_s: float = 20.0
    ) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._decoders = [
            Decoder(max_pixels=max_pixels, memory_limit_mib=memory_limit_mib, deadline_s=deadline_s)
            for _ in range(workers)
        ]
        self._idle: SimpleQueue[Decoder] = SimpleQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)

    async def decode(self, data: bytes) -> RgbImage:
        """Decode in one of the processes. Raises: ImageRefused, ImageTooLarge, ImageUndecodable, InternalFault."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data)

    def close(self) -> None:
        """Kill all decoder processes, also those that are decoding."""
        for decoder in self._decoders:
            decoder.kill()
        self._threads.shutdown(cancel_futures=True)
        while self._decoders:
            self._decoders.pop().close()

    def _decode(self, data: bytes) -> RgbImage:
        decoder = self._idle.get()  # never blocks: there are as many threads as decoders
        try:
            return decoder.decode(data)
        finally:
            self._idle.put(decoder)
