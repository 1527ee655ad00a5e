"""Images from a store within a budget: none is fetched before there is room for the largest file that is read."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from pipeline.wire.entries import ImageRef
from worker.storage.file_budget import FileShare
from worker.storage.image_store import FetchedImage


class Store(Protocol):
    async def fetch(self, image: ImageRef, *, prepare: Callable[[], Awaitable[object]]) -> FetchedImage: ...


class BoundedStore:
    def __init__(self, store: Store, max_image_bytes: int) -> None:
        self._store = store
        self._max_image_bytes = max_image_bytes

    async def fetch(self, image: ImageRef, share: FileShare) -> FetchedImage:
        """Fetch an image and leave its bytes reserved in the event's share. Raises: what the store raises."""
        # The size that an event names is not to be relied on. Who waits for a thread of its bucket holds no room.
        reserve = partial(share.reserve, self._max_image_bytes)
        try:
            fetched = await self._store.fetch(image, prepare=reserve)
        except BaseException:
            share.settle(0)  # an event that waits for its bucket holds no room
            raise
        share.settle(len(fetched.data))
        return fetched
