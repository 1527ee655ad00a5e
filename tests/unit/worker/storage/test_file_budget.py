import asyncio
from contextlib import ExitStack

from worker.storage.file_budget import FileBudget


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_file_waits_until_there_is_room() -> None:
    budget = FileBudget(100)
    with budget.open_share() as first:
        await first.reserve(60)
        with budget.open_share() as second:
            waiting = asyncio.create_task(second.reserve(60))
            await settle()
            assert not waiting.done()
            first.settle(40)
            await settle()
            assert waiting.done()


async def test_what_an_event_reserved_is_free_when_it_ends() -> None:
    budget = FileBudget(100)
    with budget.open_share() as share:
        await share.reserve(100)
        share.settle(70)
    async with asyncio.timeout(1):
        with budget.open_share() as share:
            await share.reserve(100)


async def test_a_file_larger_than_the_budget_is_held_alone() -> None:
    budget = FileBudget(100)
    with ExitStack() as ended:
        large, small = ended.enter_context(budget.open_share()), ended.enter_context(budget.open_share())
        await large.reserve(1000)
        waiting = asyncio.create_task(small.reserve(1))
        await settle()
        assert not waiting.done()
        large.settle(0)
        await settle()
        assert waiting.done()


async def test_a_cancelled_wait_leaves_the_budget_as_it_was() -> None:
    budget = FileBudget(100)
    with budget.open_share() as share, budget.open_share() as cancelled:
        await share.reserve(100)
        waiting = asyncio.create_task(cancelled.reserve(50))
        await settle()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        with budget.open_share() as share:
            await share.reserve(100)


async def test_a_large_file_is_not_passed_by_small_ones() -> None:
    budget = FileBudget(100)
    entered: list[int] = []

    async def hold(length: int) -> None:
        with budget.open_share() as share:
            await share.reserve(length)
            entered.append(length)

    with budget.open_share() as share:
        await share.reserve(50)
        tasks = [asyncio.create_task(hold(length)) for length in (100, 10)]
        await settle()
        assert entered == []
    await asyncio.gather(*tasks)
    assert entered == [100, 10]
