"""The labeling bucket as `zoomin collect` uses it: every request is tried again while the bucket is away."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pipeline.errors import FatalError, ImageMissing, ImageTooLarge
from pipeline.labeling.case_search import FoundCases, Selection, find_cases
from pipeline.labeling.erasure import erase_image
from pipeline.storage.buckets import find_bucket_problem, list_objects
from pipeline.storage.objects import create_object, read_object, write_object
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.wire.labels import LABELS, LabelCase, LabelEvent, build_label_key, build_tombstone_key
from worker.common.retry import Retrier

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_LABEL_BYTES = 4_000_000
Result = TypeVar("Result")


class LabelStore:
    """Writes to the labeling bucket, and waits while it is out.

    All methods but `check` raise ImageMissing (no such bucket), and PersistentRefusal or ImageDenied for a request that
    the bucket refuses while it takes others.
    """

    def __init__(self, client: "S3Client", bucket: str, retrier: Retrier) -> None:
        self._client = client
        self._bucket = bucket
        self._retrier = retrier

    async def check(self) -> None:
        """Check that the bucket can be listed. Raises: StoreDenied, FatalError."""
        problem = await asyncio.to_thread(find_bucket_problem, self._client, self._bucket)
        if problem:
            raise FatalError(f"labeling bucket {self._bucket} {problem}")

    async def is_deleted(self, sha256: str) -> bool:
        """Return whether the image has a tombstone."""
        return await self._has_object(build_tombstone_key(sha256))

    async def has_case(self, key: str) -> bool:
        return await self._has_object(key)

    async def put_case(self, key: str, case: LabelCase, png: bytes) -> None:
        """Write the image, then the case unless it is there already."""
        image_key, body = case.image.object_key, case.model_dump_json().encode()
        await self._call(partial(write_object, self._client, self._bucket, image_key, png, content_type="image/png"))
        await self._call(partial(create_object, self._client, self._bucket, key, body))

    async def find_former_label(self, label: LabelEvent) -> str | None:
        """Return the id of the last label before this one that its annotator gave the case.

        Reads every label of the case; one that cannot be read counts for nothing.
        """
        return await self._call(partial(_find_former, self._client, self._bucket, label))

    async def put_label(self, label: LabelEvent) -> None:
        """Write a label unless it is there already."""
        key, body = build_label_key(label.case_id, label.label_id), label.model_dump_json().encode()
        await self._call(partial(create_object, self._client, self._bucket, key, body))

    async def find_cases(self, selection: Selection, *, until: date) -> FoundCases:
        """Read the cases up to those of a day: minutes for 100,000 cases."""
        search = partial(find_cases, self._client, self._bucket, selection, until=until)
        return await self._retrier.call(lambda: run_in_abandonable_thread(search))

    async def erase(self, sha256: str, case_keys: set[str]) -> None:
        """Leave a tombstone of the image, then delete it with its cases and labels."""
        await self._call(partial(erase_image, self._client, self._bucket, sha256, case_keys, now=datetime.now(UTC)))

    async def _has_object(self, key: str) -> bool:
        def list_first() -> bool:  # the key itself comes first of those that begin with it
            return any(found.key == key for found in islice(list_objects(self._client, self._bucket, key), 1))

        return await self._call(list_first)

    async def _call(self, request: Callable[[], Result]) -> Result:
        return await self._retrier.call(lambda: asyncio.to_thread(request))


def _find_former(client: "S3Client", bucket: str, label: LabelEvent) -> str | None:
    earlier = [
        other
        for other in _read_labels(client, bucket, label.case_id)
        if (other.origin, other.annotator) == (label.origin, label.annotator) and _order(other) < _order(label)
    ]
    return max(earlier, key=_order).label_id if earlier else None


def _order(label: LabelEvent) -> tuple[datetime, str]:
    """Return the place of a label among those of its annotator, as adjudication orders them."""
    return label.created_at, label.label_id


def _read_labels(client: "S3Client", bucket: str, case_id: str) -> Iterator[LabelEvent]:
    for found in list_objects(client, bucket, f"{LABELS}{case_id}/"):
        try:
            stored = read_object(client, bucket, found.key, max_bytes=MAX_LABEL_BYTES)
            yield LabelEvent.model_validate_json(stored.body)
        except (ImageMissing, ImageTooLarge, ValidationError):
            continue
