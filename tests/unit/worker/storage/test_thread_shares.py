import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.errors import StoreUnavailable
from tests.support.virtual_time import run_in_virtual_time
from worker.storage.thread_shares import ThreadShares

HANG_S = 25.0
ANSWER_S = 0.1
THREADS = 48


class Buckets:
    """Buckets of one S3, some of which hang: they hold their thread, and answer nothing."""

    def __init__(self, hanging: set[str], *, threads: int = THREADS, silence_s: float = 30.0) -> None:
        self.hanging = hanging
        self.answered: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.outside = 0
        self.shares = ThreadShares(threads, silence_s=silence_s, leave_slot=self._leave_slot)

    async def fetch(self, bucket: str) -> None:
        try:
            await self.shares.take(bucket)
        except StoreUnavailable:
            self.refused[bucket] += 1
            return
        if bucket in self.hanging:
            await asyncio.sleep(HANG_S)
        else:
            await asyncio.sleep(ANSWER_S)
            self.shares.note_answer(bucket)
            self.answered[bucket] += 1
        self.shares.release(bucket)

    @contextmanager
    def _leave_slot(self) -> Iterator[None]:
        self.outside += 1
        try:
            yield
        finally:
            self.outside -= 1


async def send(buckets: Buckets, rates: dict[str, float], duration_s: float) -> list[asyncio.Task[None]]:
    async def send_to(bucket: str, rate: float) -> list[asyncio.Task[None]]:
        tasks = []
        for _ in range(round(duration_s * rate)):
            tasks.append(asyncio.create_task(buckets.fetch(bucket)))
            await asyncio.sleep(1 / rate)
        return tasks

    return [task for tasks in await asyncio.gather(*(send_to(*item) for item in rates.items())) for task in tasks]


@pytest.mark.parametrize("hanging", [{"a"}, {"a", "b", "c"}])
def test_buckets_that_hang_leave_the_others_their_rate(hanging: set[str]) -> None:
    async def program() -> None:
        buckets = Buckets(hanging)
        tasks = await send(buckets, {"healthy": 20.0} | dict.fromkeys(hanging, 6.0), duration_s=60)
        assert buckets.answered["healthy"] >= 60 * 20 - 20 * 2 * ANSWER_S
        await asyncio.gather(*tasks)
        assert buckets.outside == 0

    run_in_virtual_time(program())


def test_calls_of_a_bucket_that_hangs_wait_outside_and_are_refused_in_time() -> None:
    async def program() -> None:
        buckets = Buckets({"a"})
        tasks = await send(buckets, {"a": 6.0}, duration_s=60)
        assert buckets.outside > 100
        assert buckets.refused["a"] > 100
        await asyncio.wait_for(asyncio.gather(*tasks), timeout=30 + HANG_S + 1)
        assert buckets.outside == 0

    run_in_virtual_time(program())


def test_calls_of_a_slow_bucket_are_not_refused() -> None:
    async def program() -> None:
        buckets = Buckets(set(), threads=2)
        await asyncio.gather(*(buckets.fetch("slow") for _ in range(1000)))  # 100 s, one after the other
        assert buckets.answered["slow"] == 1000

    run_in_virtual_time(program())


def test_calls_without_a_thread_of_their_bucket_are_not_refused() -> None:
    async def program() -> None:
        buckets = Buckets({"a"}, threads=1, silence_s=HANG_S / 5)
        hanging = asyncio.create_task(buckets.fetch("a"))
        await asyncio.sleep(0)
        await buckets.fetch("b")
        await hanging
        assert buckets.answered["b"] == 1

    run_in_virtual_time(program())


def test_the_only_group_takes_all_threads() -> None:
    async def program() -> None:
        shares = ThreadShares(4, silence_s=1.0, has_one_group=True)
        for _ in range(4):
            await shares.take("photos")

    run_in_virtual_time(program())


def test_a_call_that_is_cancelled_takes_no_thread() -> None:
    async def program() -> None:
        shares = ThreadShares(2, silence_s=10.0)
        await shares.take("a")
        waiting, at_its_turn = (asyncio.create_task(shares.take("a")) for _ in range(2))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        shares.release("a")
        at_its_turn.cancel()  # after its turn came, before it went on
        await asyncio.gather(waiting, at_its_turn, return_exceptions=True)
        await shares.take("a")

    run_in_virtual_time(program())
