"""Images of the allow-listed buckets, fetched within their limits of bytes and time."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pipeline.errors import (
    AccessDenied,
    ImageArchived,
    ImageChanged,
    ImageEncrypted,
    ImageMissing,
    ImageTooLarge,
    StoreUnavailable,
    ZoomInError,
)
from pipeline.storage.buckets import find_bucket_problem
from pipeline.storage.errors import translate_errors
from pipeline.wire.events import ImageRef
from pipeline.wire.urls import redact_text
from worker.common.sections import StoreSettings
from worker.storage.blocking_calls import BlockingCalls, prepare_nothing
from worker.storage.client import open_store_client
from worker.storage.content_encoding import undo_content_encoding
from worker.storage.thread_shares import ThreadShares

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef
    from urllib3 import HTTPResponse

CHUNK_BYTES = 1 << 20
LIMIT = "ZOOMIN_STORE__MAX_IMAGE_BYTES"
LISTED = 3
"""objects that a probe tries to read"""


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An object's bytes with its names in S3; `key` is the one of the event's two keys that exists.

    `data` is what a browser shows: without the object's Content-Encoding. The rest describes the bytes as stored.
    """

    data: bytes
    stored_bytes: int
    key: str
    etag: str | None
    version_id: str | None
    sha256: str


class ImageStore:
    """Takes any bucket: the event parser has compared the event's bucket with the allow-list already.

    A bucket that hangs leaves threads to the others; its fetches wait in the context of `leave_slot`.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        threads: int = 4,
        leave_slot: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._settings = settings
        self._client = open_store_client(settings, threads)
        self._served: dict[str, str] = {}  # the key that each bucket served last
        shares = ThreadShares(
            threads,
            silence_s=settings.total_timeout_s,
            has_one_group=len(settings.buckets) <= 1,
            leave_slot=leave_slot,
        )
        self._calls = BlockingCalls("fetch", threads, settings.total_timeout_s, shares=shares)

    async def fetch(
        self, image: ImageRef, *, prepare: Callable[[], Awaitable[object]] = prepare_nothing
    ) -> FetchedImage:
        """Fetch the image, under the event's second key if the first one does not hold it.

        `prepare` is awaited once a thread is free.
        Raises: ImageMissing, ImageChanged, ImageArchived, ImageEncrypted, ImageTooLarge, AccessDenied,
            StoreUnavailable; ImageRefused and ImageUndecodable for a Content-Encoding.
        """
        return await self._calls.run(partial(self._fetch, image), group=_name_group(image.bucket), prepare=prepare)

    async def probe(self, bucket: str) -> None:
        """Read the object that this bucket served last, else one that it lists, to learn if it serves anyone.

        Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
        """
        await self._calls.run(partial(self._probe, bucket), group=_name_group(bucket))

    async def probe_any(self, buckets: Iterable[str]) -> None:
        """Probe these buckets one after the other until one serves. Raises: StoreUnavailable if none does."""
        for bucket in buckets:
            try:
                return await self.probe(bucket)
            except ZoomInError:
                continue
        raise StoreUnavailable("no other bucket serves either")

    async def check(self, bucket: str) -> str | None:
        """Return one sentence for the operator if the bucket cannot be read; None when all is well.

        Raises: StoreDenied when S3 does not know our credentials, or we do not know its certificate.
        """
        return await self._calls.run(partial(find_bucket_problem, self._client, bucket), group=_name_group(bucket))

    def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _fetch(self, image: ImageRef) -> FetchedImage:
        refusals: list[ZoomInError] = []
        for key in (image.key, image.other_key):
            if key is not None:
                try:
                    return self._get(image, key)
                except (ImageMissing, ImageChanged, ImageArchived, ImageEncrypted, AccessDenied) as error:
                    refusals.append(error)
        raise next((refusal for refusal in refusals if isinstance(refusal, ImageChanged)), refusals[0])

    def _get(self, image: ImageRef, key: str) -> FetchedImage:
        deadline = time.monotonic() + self._settings.total_timeout_s
        place = f"object {redact_text(key)} of bucket {image.bucket}"
        with translate_errors(place):
            response = self._client.get_object(**_build_request(image, key))
            self._served[image.bucket] = key
            data = self._read_body(response, deadline, place)
        etag = response.get("ETag", "").strip('"') or None
        if image.etag and etag != image.etag:  # not every S3 reads If-Match
            raise ImageChanged(f"{place} has etag {etag}, the event says {image.etag}")
        sha256 = hashlib.sha256(data).hexdigest()
        if image.sha256 and sha256 != image.sha256:
            raise ImageChanged(f"{place} has sha256 {sha256}, the event says {image.sha256}")
        encoding, limit_bytes = response.get("ContentEncoding", ""), self._settings.max_image_bytes
        shown = undo_content_encoding(data, encoding, limit_bytes=limit_bytes) if encoding else data
        return FetchedImage(shown, len(data), key, etag, response.get("VersionId") or image.version_id, sha256)

    def _read_body(self, response: "GetObjectOutputTypeDef", deadline: float, place: str) -> bytes:
        limit, length = self._settings.max_image_bytes, response.get("ContentLength")
        chunks: list[bytes] = []
        received = 0
        # Entering botocore's body returns urllib3's stream; closing that before its end closes its connection too.
        with cast("AbstractContextManager[HTTPResponse]", response["Body"]) as stream:
            if length is not None and length > limit:
                raise ImageTooLarge(f"{place} has {length} bytes; at most {limit} are read ({LIMIT})")
            # read1 returns the bytes that have arrived: with read, a slow trickle would outlast the deadline
            while chunk := stream.read1(CHUNK_BYTES):
                received += len(chunk)
                chunks.append(chunk)
                if received > limit:
                    raise ImageTooLarge(f"{place} has more than {limit} bytes ({LIMIT})")
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"{place} did not arrive in {self._settings.total_timeout_s:g} s")
        if length is not None and received != length:
            raise StoreUnavailable(f"{place} ended after {received} of {length} bytes")
        return b"".join(chunks)

    def _probe(self, bucket: str) -> None:
        refusal: ZoomInError = StoreUnavailable(f"bucket {bucket} has no object that a probe could read")
        for key in self._list_probed_keys(bucket):
            try:
                with translate_errors(f"bucket {bucket}"):
                    self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
            except ZoomInError as error:
                refusal = error
            else:
                return
        raise refusal

    def _list_probed_keys(self, bucket: str) -> Iterator[str]:
        if bucket in self._served:
            yield self._served[bucket]
        with translate_errors(f"bucket {bucket}"):
            listed = self._client.list_objects_v2(Bucket=bucket, MaxKeys=LISTED).get("Contents", [])
        yield from (found["Key"] for found in listed if found.get("Size"))


def _name_group(bucket: str) -> str:
    return f"bucket {bucket}"


def _build_request(image: ImageRef, key: str) -> "GetObjectRequestTypeDef":
    request: GetObjectRequestTypeDef = {"Bucket": image.bucket, "Key": key}
    if image.version_id:
        request["VersionId"] = image.version_id
    if image.etag:
        request["IfMatch"] = f'"{image.etag}"'
    return request
