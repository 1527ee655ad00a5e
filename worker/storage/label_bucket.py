"""The labeling bucket: images under the digest of their file, each case written once."""

from collections.abc import Sequence
from functools import partial

from pipeline.errors import ImageChanged, ImageMissing
from pipeline.storage.errors import translate_errors
from pipeline.storage.objects import delete_objects
from worker.common.sections import StoreSettings
from worker.storage.blocking_calls import BlockingCalls
from worker.storage.client import open_store_client

THREADS = 4
DEADLINE_S = 60.0
"""of one write; the label sampler, its caller, has a shorter one by the size of the image"""


class LabelBucket:
    def __init__(self, settings: StoreSettings, bucket: str) -> None:
        self._bucket = bucket
        self._client = open_store_client(settings, THREADS)
        self._calls = BlockingCalls("label", THREADS, DEADLINE_S)

    async def has_object(self, key: str) -> bool:
        """Return True if this object exists.

        Raises: AccessDenied, also for a missing one where s3:ListBucket is not granted; StoreUnavailable.
        """
        return await self._calls.run(partial(self._has_object, key))

    async def put_image(self, key: str, png: bytes) -> None:
        """Write an image, over the one that is there.

        Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
        """
        await self._calls.run(partial(self._put_image, key, png))

    async def put_case(self, key: str, body: bytes) -> None:
        """Write a case unless it is there already. Raises: as `put_image`."""
        await self._calls.run(partial(self._put_case, key, body))

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are no error. Raises: AccessDenied, StoreUnavailable."""
        await self._calls.run(partial(delete_objects, self._client, self._bucket, keys))

    def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _has_object(self, key: str) -> bool:
        try:
            with translate_errors(f"labeling bucket {self._bucket}, which must grant s3:GetObject and s3:ListBucket"):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except ImageMissing:
            return False
        return True

    def _put_image(self, key: str, png: bytes) -> None:
        with translate_errors(f"labeling bucket {self._bucket}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=png, ContentType="image/png")

    def _put_case(self, key: str, body: bytes) -> None:
        try:
            with translate_errors(f"labeling bucket {self._bucket}"):
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
        except ImageChanged:  # 412: an earlier delivery of the event wrote it
            return
