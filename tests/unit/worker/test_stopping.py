import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from worker.stopping import finish_before, stop_on_signals

FORKING = """
import asyncio, os, signal
from worker.stopping import stop_on_signals

def fork():
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    return child

async def run():
    stop = stop_on_signals()
    child = await asyncio.to_thread(fork)
    os.kill(child, signal.{number})
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    was_stopped = stop.is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    print(os.WTERMSIG(status), was_stopped)

asyncio.run(run())
"""
"""A thread forks as vLLM's start does; the child shares the descriptor that wakes the parent's loop."""

EARLY = """
import asyncio, os, signal
from worker.stopping import stop_on_signals

async def run():
    await asyncio.wait_for(stop_on_signals().wait(), 30)
    print("stopped")

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
asyncio.run(run())
"""


@pytest_asyncio.fixture(autouse=True)
async def handlers() -> AsyncIterator[None]:
    yield
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_and_the_second_cancels(number: signal.Signals) -> None:
    stops: list[asyncio.Event] = []

    async def program() -> None:
        stops.append(stop_on_signals())
        os.kill(os.getpid(), number)
        await stops[0].wait()
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    running = asyncio.create_task(program())
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stops[0].is_set()


def test_a_sigterm_that_comes_before_its_handler_waits_for_it() -> None:
    program = (sys.executable, "-c", EARLY)
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_forked_child_ends_the_child_and_does_not_ask_the_parent_to_stop(number: signal.Signals) -> None:
    program = (sys.executable, "-c", FORKING.format(number=number.name))
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == f"{number.value} False"


async def test_a_start_that_ends_first_is_done() -> None:
    async def start() -> str:
        await asyncio.sleep(0)
        return "started"

    assert await finish_before(asyncio.Event(), start()) == "started"


async def test_a_start_that_fails_says_so() -> None:
    async def start() -> None:
        raise OSError("no such device")

    with pytest.raises(OSError, match="no such device"):
        await finish_before(asyncio.Event(), start())


async def test_a_start_that_is_overtaken_by_a_stop_is_given_up() -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def start() -> str:
        stop.set()
        try:
            await asyncio.Event().wait()
            return "started"
        finally:
            cancelled.set()

    assert await finish_before(stop, start()) is None
    assert cancelled.is_set()
