import asyncio
from contextlib import AsyncExitStack

from worker.serving.pixel_budget import PixelBudget


async def turns(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_waits_until_there_is_room() -> None:
    budget = PixelBudget(100)
    entered: list[str] = []

    async def hold(name: str, pixels: int, leave: asyncio.Event) -> None:
        async with budget.hold(pixels):
            entered.append(name)
            await leave.wait()

    first, second = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(hold("a", 60, first)), asyncio.create_task(hold("b", 60, second))]
    await turns()
    assert entered == ["a"]
    first.set()
    await turns()
    assert entered == ["a", "b"]
    second.set()
    await asyncio.gather(*tasks)


async def test_an_image_larger_than_the_budget_is_held_alone() -> None:
    budget = PixelBudget(100)
    async with AsyncExitStack() as held:
        await held.enter_async_context(budget.hold(1000))
        other = asyncio.create_task(held.enter_async_context(budget.hold(1)))
        await turns()
        assert not other.done()
        other.cancel()
    async with budget.hold(100):
        pass


async def test_a_cancelled_wait_leaves_the_budget_as_it_was() -> None:
    budget = PixelBudget(100)
    async with budget.hold(100):
        waiting = asyncio.create_task(AsyncExitStack().enter_async_context(budget.hold(50)))
        await turns()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), budget.hold(100):
        pass


async def test_a_large_image_is_not_passed_by_small_ones() -> None:
    budget = PixelBudget(100)
    entered: list[int] = []

    async def hold(pixels: int) -> None:
        async with budget.hold(pixels):
            entered.append(pixels)

    async with budget.hold(50):
        tasks = [asyncio.create_task(hold(pixels)) for pixels in (100, 10)]
        await turns()
        assert entered == []
    await asyncio.gather(*tasks)
    assert entered == [100, 10]
