"""Images from a store that may be down: each bucket is a dependency with a Retrier of its own."""

from collections.abc import Callable
from typing import Protocol

from pipeline.wire.events import ImageRef
from worker.common.retry import Retrier
from worker.storage.file_budget import FileShare
from worker.storage.image_store import FetchedImage


class Store(Protocol):
    async def fetch(self, image: ImageRef, share: FileShare) -> FetchedImage: ...


class RetryingStore:
    """`build_retrier` is called once for each bucket."""

    def __init__(self, store: Store, build_retrier: Callable[[str], Retrier]) -> None:
        self._store = store
        self._build_retrier = build_retrier
        self._retriers: dict[str, Retrier] = {}

    async def fetch(self, image: ImageRef, share: FileShare) -> FetchedImage:
        """Fetch an image; try again after bad luck, wait out an outage of its bucket.

        Raises: the store's TransientError after its tries, its PoisonError, and PersistentRefusal or ImageDenied.
        """
        retrier = self._retriers.get(image.bucket)
        if retrier is None:
            retrier = self._retriers[image.bucket] = self._build_retrier(image.bucket)
        return await retrier.call(lambda: self._store.fetch(image, share))
