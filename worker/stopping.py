"""Stop by signals: the first one drains the worker, the second one ends it at once."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import TypeVar

from worker.observe import telemetry

Result = TypeVar("Result")


def stop_on_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second signal cancels the current task.

    A SIGTERM that was blocked until now counts too.
    """
    stop = asyncio.Event()
    running, main = asyncio.get_running_loop(), asyncio.current_task()

    def request_stop() -> None:
        telemetry.get_logger().info(telemetry.STOP_REQUESTED, again=stop.is_set())
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, request_stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.register_at_fork(after_in_child=_reset_signals)
    return stop


def _reset_signals() -> None:
    """Give signals their default effect; a forked child would otherwise report its own to the parent's loop."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


async def finish_before(stop: asyncio.Event, starting: Coroutine[None, None, Result]) -> Result | None:
    """Return what `starting` returns; if `stop` is set before, cancel it and return None."""
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return start.result() if start.done() else None
    finally:
        for task in (start, stopping):
            task.cancel()
        await asyncio.gather(start, stopping, return_exceptions=True)
