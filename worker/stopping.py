"""Stop by signals: the first one drains the worker, the second one ends it at once."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from functools import cache
from typing import TypeVar

from worker.observe import telemetry

Result = TypeVar("Result")
STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})


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

    for number in STOPPING:
        running.add_signal_handler(number, request_stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _guard_forks()
    return stop


@cache
def _guard_forks() -> None:
    """Give signals their default effect in forked children, which would report theirs to the parent's loop.

    The forking thread holds signals back meanwhile: one that came to the child before its handlers are reset would be
    reported to the parent and lost in the child.
    """
    forking = threading.local()

    def hold_signals() -> None:
        forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def release_signals() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, forking.mask)

    def reset_signals() -> None:
        signal.set_wakeup_fd(-1)
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        release_signals()

    os.register_at_fork(before=hold_signals, after_in_parent=release_signals, after_in_child=reset_signals)


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
