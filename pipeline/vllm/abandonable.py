"""Long blocking work that the program must be able to walk away from: imports and starts of the engine."""

import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


async def in_abandonable_thread(call: Callable[[], Result]) -> Result:
    """The call's result, from a daemon thread: cancelling the wait leaves the call behind.

    SIGINT is blocked in the thread, and so in every process that the call starts: Ctrl-C in a terminal reaches the
    whole process group, and the engine's core has to serve until the worker has drained.
    """
    finished: Future[Result] = Future()
    finished.set_running_or_notify_cancel()

    def work() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            finished.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            finished.set_exception(error)

    threading.Thread(target=work, name="abandonable", daemon=True).start()
    return await asyncio.wrap_future(finished)
