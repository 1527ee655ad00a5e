"""Blocking calls of an S3 client from the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.errors import StoreUnavailable

Result = TypeVar("Result")


class BlockingCalls:
    """Runs blocking calls on its own threads: at most one a thread, each with a deadline.

    A call that misses its deadline keeps its thread until its socket times out.
    """

    def __init__(self, name: str, threads: int, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._free_threads = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return the result of `call`; its deadline counts from the moment a thread is free.

        Raises: StoreUnavailable at the deadline, and what `call` raises.
        """
        async with self._free_threads:
            try:
                async with asyncio.timeout(self._deadline_s):
                    return await asyncio.get_running_loop().run_in_executor(self._pool, call)
            except TimeoutError:
                raise StoreUnavailable(f"S3 did not answer in {self._deadline_s:g} s") from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
