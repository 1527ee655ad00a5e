import asyncio
import signal
import threading

import pytest

from pipeline.errors import EngineDead
from pipeline.vllm.abandonable import run_in_abandonable_thread, start_or_abandon


async def test_results_and_errors_come_back() -> None:
    assert await run_in_abandonable_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await run_in_abandonable_thread(lambda: 1 // 0)


async def test_the_wait_can_be_left_while_the_call_goes_on() -> None:
    leave, begun = threading.Event(), threading.Event()

    def call() -> bool:
        begun.set()
        return leave.wait(60)

    waiting = asyncio.create_task(run_in_abandonable_thread(call))
    while not begun.is_set():  # noqa: ASYNC110 - the event is a thread's
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert any(thread.name == "abandonable" and thread.daemon for thread in threading.enumerate())
    leave.set()


class Core:
    """The client of a core that is shut down once its start is given up."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def shutdown(self) -> None:
        self.ended.set()


async def answer(core: Core) -> Core:
    return core


async def hang(_core: Core) -> Core:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def test_a_start_within_its_deadline_gives_the_engine() -> None:
    core = Core()
    assert await start_or_abandon(lambda: core, answer, timeout_s=60) is core
    assert not core.ended.is_set()


async def test_a_core_that_hangs_while_it_loads_ends_the_start_and_is_shut_down_when_it_comes_late() -> None:
    core, loaded = Core(), threading.Event()

    def load() -> Core:
        loaded.wait(60)
        return core

    with pytest.raises(EngineDead, match=r"did not start within 0.01 s .*start_timeout_s"):
        await start_or_abandon(load, answer, timeout_s=0.01)
    assert not core.ended.is_set()
    loaded.set()
    assert core.ended.wait(60)


async def test_a_core_that_hangs_at_its_first_query_ends_the_start_and_is_shut_down() -> None:
    core = Core()
    with pytest.raises(EngineDead, match="did not start within"):
        await start_or_abandon(lambda: core, hang, timeout_s=0.1)
    assert core.ended.wait(60)


async def test_a_start_that_is_cancelled_shuts_the_core_down() -> None:
    core, reached = Core(), asyncio.Event()

    async def finish(core: Core) -> Core:
        reached.set()
        return await hang(core)

    starting = asyncio.create_task(start_or_abandon(lambda: core, finish, timeout_s=60))
    await reached.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert core.ended.wait(60)


async def test_a_core_that_dies_while_it_loads_ends_the_start_with_its_own_error() -> None:
    def load() -> Core:
        raise EngineDead("Engine core initialization failed")

    with pytest.raises(EngineDead, match="initialization failed"):
        await start_or_abandon(load, answer, timeout_s=60)


async def test_ctrl_c_is_not_for_what_it_starts() -> None:
    blocked = await run_in_abandonable_thread(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, set()))
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
