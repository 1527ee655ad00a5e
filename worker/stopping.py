"""How a worker is asked to stop: the first signal drains, the second leaves at once."""

import asyncio
import signal
from collections.abc import Coroutine

from worker.observe import telemetry


def stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second cancels the program."""
    stop = asyncio.Event()
    running, main = asyncio.get_running_loop(), asyncio.current_task()

    def requested() -> None:
        telemetry.logger().info(telemetry.STOP_REQUESTED, again=stop.is_set())
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, requested)
    return stop


async def done_before(stop: asyncio.Event, starting: Coroutine[None, None, None]) -> bool:
    """False, and `starting` is cancelled, when somebody asks to stop while a minute of start is under way."""
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
        return start.done()
    finally:
        for task in (start, stopping):
            task.cancel()
        await asyncio.gather(start, stopping, return_exceptions=True)
