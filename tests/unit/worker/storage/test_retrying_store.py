import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from pipeline.errors import ImageMissing, StoreUnavailable, ZoomInError
from pipeline.wire.events import ImageRef
from tests.support.fakes import FakeS3, FakeStore
from worker.common.retry import Retrier, RetryPolicy
from worker.storage.blocking_calls import prepare_nothing
from worker.storage.bounded_store import BoundedStore
from worker.storage.file_budget import FileBudget, FileShare
from worker.storage.image_store import FetchedImage
from worker.storage.retrying_store import RetryingStore

SHARE = FileShare(FileBudget(1000))


class FailingStore(FakeStore):
    """`errors` are raised one by one before anything is fetched."""

    def __init__(self, s3: FakeS3) -> None:
        super().__init__(s3)
        self.errors: list[ZoomInError] = []

    async def fetch(
        self, image: ImageRef, *, prepare: Callable[[], Awaitable[object]] = prepare_nothing
    ) -> FetchedImage:
        if self.errors:
            raise self.errors.pop(0)
        return await super().fetch(image, prepare=prepare)


@pytest.fixture
def store() -> FailingStore:
    s3 = FakeS3(buckets={"photos": {}, "scans": {}})
    s3.put("photos", "a.png", b"photo")
    s3.put("scans", "a.png", b"scan")
    return FailingStore(s3)


def retry_at_once(store: FakeStore, built: list[str]) -> RetryingStore:
    def build_retrier(bucket: str) -> Retrier:
        built.append(bucket)
        policy = RetryPolicy(attempts=3, first_wait_s=0, max_wait_s=0, patience_s=60)
        return Retrier(policy, clock=lambda: 0.0, sleep=asyncio.sleep, rng=random.Random(0))

    return RetryingStore(BoundedStore(store, 100), build_retrier)


async def test_each_bucket_has_one_retrier(store: FailingStore) -> None:
    built: list[str] = []
    retrying = retry_at_once(store, built)
    for bucket in ("photos", "scans", "photos", "scans"):
        await retrying.fetch(ImageRef(bucket, "a.png"), SHARE)
    assert built == ["photos", "scans"]


async def test_an_outage_is_waited_out(store: FailingStore) -> None:
    store.errors = [StoreUnavailable("away")] * 20
    assert (await retry_at_once(store, []).fetch(ImageRef("photos", "a.png"), SHARE)).data == b"photo"


async def test_a_missing_image_is_tried_a_few_times(store: FailingStore) -> None:
    with pytest.raises(ImageMissing) as caught:
        await retry_at_once(store, []).fetch(ImageRef("photos", "gone.png"), SHARE)
    assert caught.value.attempts == len(store.fetched) == 3
