import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pipeline.errors import ImageMissing
from pipeline.wire.entries import ImageRef
from tests.support.fakes import FakeS3, FakeStore
from worker.storage.blocking_calls import prepare_nothing
from worker.storage.bounded_store import BoundedStore
from worker.storage.file_budget import FileBudget
from worker.storage.image_store import FetchedImage

LIMIT_BYTES = 32
IMAGE = ImageRef("photos", "a.png")


class CountingStore(FakeStore):
    """Counts the files that it fetches at once."""

    def __init__(self, length: int) -> None:
        super().__init__(FakeS3(buckets={"photos": {}}))
        self.s3.put("photos", "a.png", bytes(length))
        self.fetching = 0

    async def fetch(
        self, image: ImageRef, *, prepare: Callable[[], Awaitable[object]] = prepare_nothing
    ) -> FetchedImage:
        await prepare()
        self.fetching += 1
        await asyncio.sleep(0)
        self.fetching -= 1
        return await super().fetch(image)


async def test_two_hundred_of_the_largest_files_stay_within_the_budget() -> None:
    store, budget = CountingStore(LIMIT_BYTES), FileBudget(10 * LIMIT_BYTES)
    bounded = BoundedStore(store, LIMIT_BYTES)
    held = most_held = 0

    async def answer() -> None:
        nonlocal held, most_held
        with budget.open_share() as share:
            held += len((await bounded.fetch(IMAGE, share)).data)
            most_held = max(most_held, held + store.fetching * LIMIT_BYTES)
            for _ in range(3):
                await asyncio.sleep(0)
            held -= LIMIT_BYTES

    await asyncio.gather(*(answer() for _ in range(200)))
    assert 9 * LIMIT_BYTES < most_held <= 10 * LIMIT_BYTES


async def test_small_files_take_the_room_that_they_need() -> None:
    store, budget = CountingStore(1), FileBudget(2 * LIMIT_BYTES)
    bounded = BoundedStore(store, LIMIT_BYTES)
    with budget.open_share() as share:
        for _ in range(LIMIT_BYTES):
            with budget.open_share() as other:
                await bounded.fetch(IMAGE, other)
        await bounded.fetch(IMAGE, share)
        async with asyncio.timeout(10):
            with budget.open_share() as other:
                await other.reserve(2 * LIMIT_BYTES - 1)


async def test_an_event_that_waits_for_its_bucket_holds_no_room() -> None:
    budget = FileBudget(LIMIT_BYTES)
    bounded = BoundedStore(CountingStore(1), LIMIT_BYTES)
    with budget.open_share() as share, budget.open_share() as other:
        with pytest.raises(ImageMissing):
            await bounded.fetch(ImageRef("photos", "gone.png"), share)
        async with asyncio.timeout(1):
            await other.reserve(LIMIT_BYTES)
