"""Blocking calls of an S3 client from the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.errors import StoreUnavailable

Result = TypeVar("Result")


class BlockingCalls:
    """Blocking calls on threads of their own, as many at once as there are threads, each with a deadline.

    A call that is given up ends later, by the timeouts of its socket.
    """

    def __init__(self, name: str, threads: int, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._turns = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], Result]) -> Result:
        async with self._turns:
            try:
                async with asyncio.timeout(self._deadline_s):
                    return await asyncio.get_running_loop().run_in_executor(self._threads, call)
            except TimeoutError:
                raise StoreUnavailable(f"S3 did not answer in {self._deadline_s:g} s") from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
