"""Fakes of S3 and of the stores on it, checked by the same contract tests as the real ones."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.errors import (
    AccessDenied,
    ImageChanged,
    ImageMissing,
    ImageTooLarge,
    StoreDenied,
    StoreUnavailable,
    ZoomInError,
)
from pipeline.wire.events import ImageRef
from worker.storage.blocking_calls import prepare_nothing
from worker.storage.image_store import FetchedImage


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object; `content` is None for a delete marker."""

    content: bytes | None
    etag: str
    version_id: str | None


@dataclass
class FakeS3:
    """Buckets in memory; `out` is an outage, `refuses` means that the credentials are refused."""

    buckets: dict[str, dict[str, list[Stored]]] = field(default_factory=dict)
    versioned: set[str] = field(default_factory=set)
    denied: set[tuple[str, str]] = field(default_factory=set)
    out: bool = False
    refuses: bool = False

    def put(self, bucket: str, key: str, content: bytes) -> Stored:
        return self._add(bucket, key, content, hashlib.md5(content, usedforsecurity=False).hexdigest())

    def delete(self, bucket: str, key: str) -> None:
        if bucket in self.versioned:
            self._add(bucket, key, None, "")
        else:
            self.buckets[bucket].pop(key, None)

    def get(self, bucket: str, key: str, version_id: str | None = None) -> Stored:
        self.require_bucket(bucket)
        if (bucket, key) in self.denied:
            raise AccessDenied(f"{bucket}/{key} is denied")
        versions = self.buckets[bucket].get(key, [])
        found = [v for v in versions if v.version_id == version_id] if version_id else versions
        if not found or found[-1].content is None:
            raise ImageMissing(f"{bucket}/{key} is missing")
        return found[-1]

    def require_bucket(self, bucket: str) -> None:
        if self.out or self.refuses:
            raise StoreUnavailable("the fake S3 is out")
        if bucket not in self.buckets:
            raise ImageMissing(f"bucket {bucket} is missing")

    def _add(self, bucket: str, key: str, content: bytes | None, etag: str) -> Stored:
        versions = self.buckets[bucket].setdefault(key, [])
        if bucket not in self.versioned:
            versions.clear()
        versions.append(Stored(content, etag, f"v{len(versions)}" if bucket in self.versioned else None))
        return versions[-1]


class FakeStore:
    """The fake of ImageStore."""

    def __init__(self, s3: FakeS3, *, max_image_bytes: int = 32 * 1024 * 1024) -> None:
        self.s3 = s3
        self.fetched: list[ImageRef] = []
        self._max_image_bytes = max_image_bytes

    async def fetch(
        self, image: ImageRef, *, prepare: Callable[[], Awaitable[object]] = prepare_nothing
    ) -> FetchedImage:
        await prepare()
        self.fetched.append(image)
        results = list(self._try_keys(image))
        found = [result for result in results if isinstance(result, FetchedImage)]
        if found:
            return found[0]
        refusals = [result for result in results if isinstance(result, ZoomInError)]
        raise next((refusal for refusal in refusals if isinstance(refusal, ImageChanged)), refusals[0])

    async def probe(self, bucket: str) -> None:
        self.s3.require_bucket(bucket)
        for key in self.s3.buckets[bucket]:
            self.s3.get(bucket, key)
            return
        raise StoreUnavailable(f"bucket {bucket} is empty")

    async def check(self, bucket: str) -> str | None:
        if self.s3.refuses:
            raise StoreDenied("the fake S3 does not know you")
        try:
            self.s3.require_bucket(bucket)
        except ZoomInError as error:
            return error.detail
        return None

    def close(self) -> None:
        pass

    def _try_keys(self, image: ImageRef) -> Iterator[FetchedImage | ZoomInError]:
        for key in [image.key] + ([image.other_key] if image.other_key else []):
            try:
                yield self._get(image, key)
            except (ImageMissing, ImageChanged, AccessDenied) as error:
                yield error

    def _get(self, image: ImageRef, key: str) -> FetchedImage:
        stored = self.s3.get(image.bucket, key, image.version_id)
        content = stored.content or b""
        if image.etag not in (None, stored.etag):
            raise ImageChanged("another etag")
        if len(content) > self._max_image_bytes:
            raise ImageTooLarge(f"{len(content)} bytes")
        sha256 = hashlib.sha256(content).hexdigest()
        if image.sha256 not in (None, sha256):
            raise ImageChanged("another sha256")
        return FetchedImage(content, len(content), key, stored.etag, stored.version_id, sha256)


class FakeLabelBucket:
    """The fake of LabelBucket."""

    def __init__(self, s3: FakeS3, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    async def has_object(self, key: str) -> bool:
        try:
            self._s3.get(self._bucket, key)
        except ImageMissing:
            return False
        return True

    async def put_image(self, key: str, png: bytes) -> None:
        self._s3.require_bucket(self._bucket)
        self._s3.put(self._bucket, key, png)

    async def put_case(self, key: str, body: bytes) -> None:
        self._s3.require_bucket(self._bucket)
        if key not in self._s3.buckets[self._bucket]:
            self._s3.put(self._bucket, key, body)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._s3.buckets[self._bucket].pop(key, None)

    def close(self) -> None:
        pass
