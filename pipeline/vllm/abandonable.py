"""Runs long blocking work that the program must be able to abandon: imports and starts of the engine."""

import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import TypeVar

Result = TypeVar("Result")


async def run_in_abandonable_thread(call: Callable[[], Result]) -> Result:
    """Return the call's result from a daemon thread; if the wait is cancelled, the call runs on unattended.

    SIGINT is blocked in the thread, and thereby in every process that the call starts: Ctrl-C in a terminal reaches
    the whole process group, and the engine's core has to serve until the worker has drained.
    """
    finished: Future[Result] = Future()
    finished.set_running_or_notify_cancel()

    def run_call() -> None:
        resource_tracker.ensure_running()  # its start, else by the first process, unblocks SIGINT in this thread
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            finished.set_result(call())
        except BaseException as error:  # noqa: BLE001 - re-raised in the caller
            finished.set_exception(error)

    threading.Thread(target=run_call, name="abandonable", daemon=True).start()
    return await asyncio.wrap_future(finished)
