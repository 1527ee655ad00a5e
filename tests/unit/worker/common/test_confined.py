"""Calls on the confined thread: in order, never at the same time, and abandoned if one hangs."""

import asyncio
import threading

import pytest

from worker.common.confined import ConfinedThread


async def test_calls_run_in_order_on_one_other_thread() -> None:
    thread = ConfinedThread("confined")
    calls: list[tuple[int, int]] = []
    await asyncio.gather(*(thread.run(lambda n=n: calls.append((n, threading.get_ident()))) for n in range(50)))
    assert [number for number, _ in calls] == list(range(50))
    assert {ident for _, ident in calls}.isdisjoint({threading.get_ident()})
    assert len({ident for _, ident in calls}) == 1
    thread.end()


async def test_result_and_exception_come_back_and_the_thread_lives_on() -> None:
    thread = ConfinedThread("confined")
    assert await thread.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 / 0)
    assert await thread.run(lambda: 8) == 8
    thread.end()


async def test_wait_for_a_hanging_call_can_be_given_up() -> None:
    thread = ConfinedThread("confined")
    hanging, entered = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang() -> None:
        loop.call_soon_threadsafe(entered.set)
        hanging.wait()

    waiting = asyncio.create_task(thread.run(hang))
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    never_run = thread.submit(lambda: 9)
    assert never_run.cancel()
    hanging.set()
    assert await thread.run(lambda: 10) == 10
    thread.end()
