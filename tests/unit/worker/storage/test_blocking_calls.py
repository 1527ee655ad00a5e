import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from pipeline.errors import ImageMissing, StoreUnavailable
from worker.storage.blocking_calls import BlockingCalls
from worker.storage.thread_shares import ThreadShares

WAIT_S = 10


@contextmanager
def opened(calls: BlockingCalls, blocked: Event) -> Iterator[BlockingCalls]:
    try:
        yield calls
    finally:
        blocked.set()
        calls.close()


async def test_a_call_that_missed_its_deadline_keeps_its_thread_and_no_other_counts_the_wait() -> None:
    socket = Event()
    with opened(BlockingCalls("test", 1, 0.05), socket) as calls:
        with pytest.raises(StoreUnavailable):
            await calls.run(lambda: socket.wait(WAIT_S))
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await calls.run(lambda: None)
        socket.set()
        async with asyncio.timeout(WAIT_S):
            assert await calls.run(lambda: "served") == "served"


async def test_a_bucket_that_hangs_leaves_a_thread_also_after_its_deadline_or_its_cancellation() -> None:
    socket, shares = Event(), ThreadShares(2, silence_s=WAIT_S)
    with opened(BlockingCalls("test", 2, 0.05, shares=shares), socket) as calls:
        with pytest.raises(StoreUnavailable):
            await calls.run(lambda: socket.wait(WAIT_S), group="hanging")
        again = asyncio.create_task(calls.run(lambda: None, group="hanging"))
        await asyncio.sleep(0)
        assert await calls.run(lambda: "served", group="other") == "served"
        again.cancel()
        with pytest.raises(asyncio.CancelledError):
            await again
        assert await calls.run(lambda: "served", group="other") == "served"


async def test_a_call_is_prepared_once_it_has_a_thread() -> None:
    socket = Event()
    with opened(BlockingCalls("test", 1, WAIT_S), socket) as calls:
        first = asyncio.create_task(calls.run(lambda: socket.wait(WAIT_S)))
        prepared = asyncio.Event()

        async def prepare() -> None:
            prepared.set()

        second = asyncio.create_task(calls.run(lambda: None, prepare=prepare))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not prepared.is_set()
        socket.set()
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(first, second)
        assert prepared.is_set()


async def test_a_call_that_cannot_be_prepared_frees_its_thread() -> None:
    async def fail() -> None:
        raise RuntimeError

    with opened(BlockingCalls("test", 1, WAIT_S), Event()) as calls:
        with pytest.raises(RuntimeError):
            await calls.run(lambda: None, prepare=fail)
        assert await calls.run(lambda: "served") == "served"


async def test_errors_of_a_call_reach_its_caller() -> None:
    def miss() -> None:
        raise ImageMissing("gone")

    with opened(BlockingCalls("test", 1, WAIT_S), Event()) as calls, pytest.raises(ImageMissing, match="gone"):
        await calls.run(miss)
