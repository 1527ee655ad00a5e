"""Images of the allow-listed buckets, fetched within their limits of bytes and time."""

import hashlib
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pipeline.errors import AccessDenied, ImageChanged, ImageMissing, ImageTooLarge, StoreUnavailable, ZoomInError
from pipeline.storage.buckets import find_bucket_problem
from pipeline.storage.errors import translate_errors
from pipeline.wire.events import ImageRef
from pipeline.wire.urls import redact_text
from worker.common.sections import StoreSettings
from worker.storage.blocking_calls import BlockingCalls
from worker.storage.client import open_store_client

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef
    from urllib3 import HTTPResponse

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An object's bytes with its names in S3; `key` is the one of the event's two keys that exists."""

    data: bytes
    key: str
    etag: str | None
    version_id: str | None
    sha256: str


class ImageStore:
    """Takes any bucket: the event parser has compared the event's bucket with the allow-list already."""

    def __init__(self, settings: StoreSettings, *, threads: int = 4) -> None:
        self._settings = settings
        self._client = open_store_client(settings, threads)
        self._calls = BlockingCalls("fetch", threads, settings.total_timeout_s)

    async def fetch(self, image: ImageRef) -> FetchedImage:
        """Fetch the image, under the event's second key if the first one does not hold it.

        Raises: ImageMissing, ImageChanged, ImageTooLarge, AccessDenied, StoreUnavailable.
        """
        return await self._calls.run(partial(self._fetch, image))

    async def probe(self, bucket: str) -> None:
        """Send the cheapest request to this bucket, to learn if S3 serves it at all.

        Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
        """
        await self._calls.run(partial(self._probe, bucket))

    async def check(self, bucket: str) -> str | None:
        """Return one sentence for the operator if the bucket cannot be read; None when all is well.

        Raises: StoreDenied when S3 does not know our credentials, or we do not know its certificate.
        """
        return await self._calls.run(partial(find_bucket_problem, self._client, bucket))

    def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _fetch(self, image: ImageRef) -> FetchedImage:
        refusals: list[ZoomInError] = []
        for key in (image.key, image.other_key):
            if key is not None:
                try:
                    return self._get(image, key)
                except (ImageMissing, ImageChanged, AccessDenied) as error:
                    refusals.append(error)
        raise next((refusal for refusal in refusals if isinstance(refusal, ImageChanged)), refusals[0])

    def _get(self, image: ImageRef, key: str) -> FetchedImage:
        deadline = time.monotonic() + self._settings.total_timeout_s
        place = f"object {redact_text(key)} of bucket {image.bucket}"
        with translate_errors(place):
            response = self._client.get_object(**_build_request(image, key))
            data = self._read_body(response, deadline, place)
        etag = response.get("ETag", "").strip('"') or None
        if image.etag and etag != image.etag:  # not every S3 reads If-Match
            raise ImageChanged(f"{place} has etag {etag}, the event says {image.etag}")
        sha256 = hashlib.sha256(data).hexdigest()
        if image.sha256 and sha256 != image.sha256:
            raise ImageChanged(f"{place} has sha256 {sha256}, the event says {image.sha256}")
        return FetchedImage(data, key, etag, response.get("VersionId") or image.version_id, sha256)

    def _read_body(self, response: "GetObjectOutputTypeDef", deadline: float, place: str) -> bytes:
        limit, length = self._settings.max_image_bytes, response.get("ContentLength")
        chunks: list[bytes] = []
        received = 0
        # Entering botocore's body returns urllib3's stream; closing that before its end closes its connection too.
        with cast("AbstractContextManager[HTTPResponse]", response["Body"]) as stream:
            if length is not None and length > limit:
                raise ImageTooLarge(f"{place} has {length} bytes; at most {limit} are read")
            # read1 returns the bytes that have arrived: with read, a slow trickle would outlast the deadline
            while chunk := stream.read1(CHUNK_BYTES):
                received += len(chunk)
                chunks.append(chunk)
                if received > limit:
                    raise ImageTooLarge(f"{place} has more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"{place} did not arrive in {self._settings.total_timeout_s:g} s")
        if length is not None and received != length:
            raise StoreUnavailable(f"{place} ended after {received} of {length} bytes")
        return b"".join(chunks)

    def _probe(self, bucket: str) -> None:
        with translate_errors(f"bucket {bucket}"):
            self._client.head_bucket(Bucket=bucket)


def _build_request(image: ImageRef, key: str) -> "GetObjectRequestTypeDef":
    request: GetObjectRequestTypeDef = {"Bucket": image.bucket, "Key": key}
    if image.version_id:
        request["VersionId"] = image.version_id
    if image.etag:
        request["IfMatch"] = f'"{image.etag}"'
    return request
