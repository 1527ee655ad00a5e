import asyncio
import signal
import threading

import pytest

from pipeline.vllm.abandonable import run_in_abandonable_thread


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


async def test_ctrl_c_is_not_for_what_it_starts() -> None:
    blocked = await run_in_abandonable_thread(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, set()))
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
