"""Blocking calls of an S3 client from the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from pipeline.errors import StoreUnavailable
from worker.storage.thread_shares import ThreadShares

Result = TypeVar("Result")


async def prepare_nothing() -> None:
    return


class BlockingCalls:
    """Runs blocking calls on its own threads: at most one a thread, each with a deadline.

    A call that misses its deadline keeps its thread until its socket times out.
    """

    def __init__(self, name: str, threads: int, deadline_s: float, *, shares: ThreadShares | None = None) -> None:
        """`shares` divides the threads among the groups of calls; without it all are one group."""
        self._deadline_s = deadline_s
        self._shares = shares or ThreadShares(threads, silence_s=deadline_s, has_one_group=True)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(
        self,
        call: Callable[[], Result],
        *,
        group: str = "S3",
        prepare: Callable[[], Awaitable[object]] = prepare_nothing,
    ) -> Result:
        """Return the result of `call`; its deadline counts from the moment a thread is free and `prepare` is done.

        Raises: StoreUnavailable at the deadline, or if the threads of the group answer nothing for as long; what
            `call` raises.
        """
        await self._shares.take(group)
        try:
            await prepare()
            running = self._pool.submit(call)
        except BaseException:
            self._shares.release(group)
            raise
        loop = asyncio.get_running_loop()
        running.add_done_callback(partial(self._report_end, loop, group))
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            raise StoreUnavailable(f"S3 did not answer in {self._deadline_s:g} s") from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _report_end(self, loop: asyncio.AbstractEventLoop, group: str, ended: Future[Result]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits for a thread
            loop.call_soon_threadsafe(self._note_end, group, ended)

    def _note_end(self, group: str, ended: Future[Result]) -> None:
        if not ended.cancelled() and not isinstance(ended.exception(), StoreUnavailable):
            self._shares.note_answer(group)
        self._shares.release(group)
