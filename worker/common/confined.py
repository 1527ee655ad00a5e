"""One thread that runs calls in order, for a client that is not thread-safe.

Invariant: calls never overlap. The thread is a daemon, so the process can end while a call hangs.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class ConfinedThread:
    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run the call and return its result or raise its exception.

        Cancelling the wait does not stop a call that has begun.
        """
        return await asyncio.wrap_future(self.submit(call))

    def submit(self, call: Callable[[], Result]) -> "Future[Result]":
        future: Future[Result] = Future()

        def perform() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - the future raises it
                future.set_exception(error)
            else:
                future.set_result(result)

        self._calls.put(perform)
        return future

    def end(self) -> None:
        """End the thread after the calls that are already queued."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
