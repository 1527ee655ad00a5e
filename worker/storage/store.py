"""S3: images in, within their limits, and label cases out."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import boto3.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from pipeline.errors import (
    AccessDenied,
    ImageChanged,
    ImageMissing,
    ImageTooLarge,
    StoreDenied,
    StoreUnavailable,
    ZoomInError,
)
from pipeline.storage.errors import CREDENTIALS_REFUSED, DENIED, MISSING, code_of, translated
from pipeline.wire.events import ImageRef
from pipeline.wire.urls import shown
from worker.common.settings import StoreSettings
from worker.storage.calls import BlockingCalls

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import CreateBucketRequestTypeDef, GetObjectOutputTypeDef, GetObjectRequestTypeDef
    from urllib3 import HTTPResponse

FETCH_THREADS = 16
LABEL_THREADS = 4
LABEL_DEADLINE_S = 10.0  # who offers cases has a shorter one
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 10.0
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object's bytes and what S3 calls them; `key` is the one of two twins that was meant."""

    data: bytes
    key: str
    etag: str | None
    version_id: str | None
    sha256: str


class ImageStore:
    """Images of the allow-listed buckets; events are held against that list before they come here."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._client = _client(settings, FETCH_THREADS)
        self._calls = BlockingCalls("fetch", FETCH_THREADS, settings.total_timeout_s)

    async def fetch(self, image: ImageRef) -> Fetched:
        """Raises: ImageMissing, ImageChanged, ImageTooLarge, AccessDenied, StoreUnavailable."""
        return await self._calls.run(partial(self._fetch, image))

    async def probe(self, bucket: str) -> None:
        """Whether S3 serves this bucket at all.

        Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
        """
        await self._calls.run(partial(self._probe, bucket))

    async def check(self, bucket: str) -> str | None:
        """What a person should know about this bucket before the start; None when all is well.

        Raises: StoreDenied when S3 does not know our credentials, or we not its certificate.
        """
        return await self._calls.run(partial(self._check, bucket))

    def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _fetch(self, image: ImageRef) -> Fetched:
        refusals: list[ZoomInError] = []
        for key in (image.key, image.other_key):
            if key is not None:
                try:
                    return self._get(image, key)
                except (ImageMissing, ImageChanged, AccessDenied) as error:
                    refusals.append(error)
        raise next((refusal for refusal in refusals if isinstance(refusal, ImageChanged)), refusals[0])

    def _get(self, image: ImageRef, key: str) -> Fetched:
        deadline = time.monotonic() + self._settings.total_timeout_s
        place = f"object {shown(key)} of bucket {image.bucket}"
        with translated(place):
            response = self._client.get_object(**_request(image, key))
            data = self._read(response, deadline, place)
        etag = response.get("ETag", "").strip('"') or None
        if image.etag and etag != image.etag:  # not every S3 reads If-Match
            raise ImageChanged(f"{place} has etag {etag}, the event says {image.etag}")
        sha256 = hashlib.sha256(data).hexdigest()
        if image.sha256 and sha256 != image.sha256:
            raise ImageChanged(f"{place} has sha256 {sha256}, the event says {image.sha256}")
        return Fetched(data, key, etag, response.get("VersionId") or image.version_id, sha256)

    def _read(self, response: "GetObjectOutputTypeDef", deadline: float, place: str) -> bytes:
        limit, length = self._settings.max_image_bytes, response.get("ContentLength")
        chunks: list[bytes] = []
        received = 0
        # Entered, botocore's body hands out urllib3's stream; closed before its end, that takes its connection along.
        with cast("AbstractContextManager[HTTPResponse]", response["Body"]) as stream:
            if length is not None and length > limit:
                raise ImageTooLarge(f"{place} has {length} bytes; at most {limit} are read")
            # read1 gives what is there: a plain read would let a trickle of bytes outlast the deadline
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
        with translated(f"bucket {bucket}"):
            self._client.head_bucket(Bucket=bucket)

    def _check(self, bucket: str) -> str | None:
        try:
            # A listing rather than HeadBucket: its refusal has a body that says what is wrong.
            self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
            raise StoreDenied(
                "no S3 credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        except ClientError as error:
            code = code_of(error)
            if code in CREDENTIALS_REFUSED:
                raise StoreDenied(f"S3 refuses our credentials or their region: {code}") from error
            if code in DENIED:
                return f"may not be listed ({code}): objects that are missing will look denied"
            return "does not exist" if code in MISSING else f"S3 answers {code}"
        except SSLError as error:
            raise StoreDenied(
                "the certificate of S3 is not accepted: name the file of the CA that signed it in AWS_CA_BUNDLE "
                f"({error.kwargs.get('error')})"
            ) from error
        except (BotoCoreError, HTTPError, OSError) as error:
            return f"S3 does not answer: {type(error).__name__}"
        return None


class LabelBucket:
    """The labeling bucket: pictures under the digest of their file, cases written once."""

    def __init__(self, settings: StoreSettings, bucket: str) -> None:
        self._bucket = bucket
        self._client = _client(settings, LABEL_THREADS)
        self._calls = BlockingCalls("label", LABEL_THREADS, LABEL_DEADLINE_S)

    async def put_image(self, key: str, png: bytes) -> None:
        """Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable."""
        await self._calls.run(partial(self._put_image, key, png))

    async def put_case(self, key: str, body: bytes) -> None:
        """Writes a case unless it is there already.

        Raises: as `put_image`.
        """
        await self._calls.run(partial(self._put_case, key, body))

    def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _put_image(self, key: str, png: bytes) -> None:
        with translated(f"labeling bucket {self._bucket}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=png, ContentType="image/png")

    def _put_case(self, key: str, body: bytes) -> None:
        try:
            with translated(f"labeling bucket {self._bucket}"):
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
        except ImageChanged:
            return


@dataclass(frozen=True, slots=True)
class Listed:
    key: str
    etag: str | None


def list_objects(settings: StoreSettings, bucket: str, prefix: str, *, after: str = "") -> Iterator[Listed]:
    """What lies below `prefix`, in the order of keys, from behind the key `after` on; a request for each 1,000.

    Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
    """
    with closing(_client(settings, 1)) as client, translated(f"bucket {bucket}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after)
        for page in pages:
            for found in page.get("Contents", []):
                yield Listed(found["Key"], found.get("ETag", "").strip('"') or None)


def create_bucket(settings: StoreSettings, bucket: str) -> None:
    """Unless it is there already and ours to use.

    Raises: AccessDenied, StoreUnavailable.
    """
    request: CreateBucketRequestTypeDef = {"Bucket": bucket}
    if settings.endpoint_url is None and settings.region != "us-east-1":  # where AWS refuses to be told
        region = cast("BucketLocationConstraintType", settings.region)
        request["CreateBucketConfiguration"] = {"LocationConstraint": region}
    with closing(_client(settings, 1)) as client, translated(f"bucket {bucket}"):
        try:
            client.create_bucket(**request)
        except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.head_bucket(Bucket=bucket)


def _client(settings: StoreSettings, threads: int) -> "S3Client":
    # Credentials come by boto3's own chain. One repeat hides a connection that died idle; waiting is the Retrier's.
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=threads,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=min(READ_TIMEOUT_S, settings.total_timeout_s),
        tcp_keepalive=True,
        user_agent="zoomin",  # botocore's own is put together anew, from dozens of parts, twice a request
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session()
    return session.client("s3", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config)


def _request(image: ImageRef, key: str) -> "GetObjectRequestTypeDef":
    request: GetObjectRequestTypeDef = {"Bucket": image.bucket, "Key": key}
    if image.version_id:
        request["VersionId"] = image.version_id
    if image.etag:
        request["IfMatch"] = f'"{image.etag}"'
    return request
