"""Runs long blocking work that the program must be able to abandon: imports and starts of the engine."""

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import Protocol, TypeVar

from pipeline.errors import EngineDead

Result = TypeVar("Result")


class Stoppable(Protocol):
    def shutdown(self) -> None:
        """End all processes of the engine, and wait until they are gone."""


StartedClient = TypeVar("StartedClient", bound=Stoppable)


async def run_in_abandonable_thread(
    call: Callable[[], Result], *, dispose: Callable[[Result], object] | None = None
) -> Result:
    """Return the call's result from a daemon thread; if the wait is cancelled, the call runs on unattended.

    `dispose` gets a result that nobody waits for any more.
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
    try:
        return await asyncio.wrap_future(finished)
    except asyncio.CancelledError:
        if dispose is not None:
            finished.add_done_callback(lambda late: None if late.exception() else dispose(late.result()))
        raise


async def start_or_abandon(
    build: Callable[[], StartedClient], finish: Callable[[StartedClient], Awaitable[Result]], *, timeout_s: float
) -> Result:
    """Build a client of the engine in a thread, and finish its start in the event loop.

    If that is cancelled or takes too long, all its processes end, also those that a hanging `build` starts later.
    Raises: EngineDead at the deadline; what `build` and `finish` raise.
    """
    client: StartedClient | None = None
    try:
        async with asyncio.timeout(timeout_s):
            client = await run_in_abandonable_thread(build, dispose=_shut_down_soon)
            return await finish(client)
    except (asyncio.CancelledError, TimeoutError) as error:
        for process in multiprocessing.active_children():
            process.kill()
        if client is not None:
            _shut_down_soon(client)
        if isinstance(error, TimeoutError):
            raise EngineDead(
                f"the engine did not start within {timeout_s:g} s (start_timeout_s); a large model needs minutes"
            ) from error
        raise


def _shut_down_soon(client: Stoppable) -> None:
    threading.Thread(target=client.shutdown, name="shutdown", daemon=True).start()
