"""Contract of the image store and the labeling bucket, on the fake and on two independent S3 servers."""

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

from pipeline.errors import (
    AccessDenied,
    ImageChanged,
    ImageEncrypted,
    ImageMissing,
    ImageTooLarge,
    StoreDenied,
    StoreUnavailable,
)
from pipeline.wire.events import ImageRef
from tests.support.fakes import FakeLabelBucket, FakeS3, FakeStore
from worker.common.sections import StoreSettings
from worker.storage.buckets import create_bucket, list_bucket
from worker.storage.image_store import ImageStore
from worker.storage.label_bucket import LabelBucket

if TYPE_CHECKING:
    from tests.support.servers.services import S3ForTests, VersityGw

Put = tuple[str, str | None]
ODD_KEYS = [
    "a+b c.jpg",
    "100%25.jpg",
    "ä/ö ü.jpg",
    "q?x=1#y.jpg",
    "日本/画像.png",
    "a&b=c;d'e(f)!.jpg",
    "dots...in/.hidden",
    "~tilde@at:colon,comma$",
]


class World(Protocol):
    """A running S3 of some kind; `put` returns etag and version id."""

    def bucket(self, *, versioned: bool = False) -> str: ...
    def put(self, bucket: str, key: str, content: bytes) -> Put: ...
    def delete(self, bucket: str, key: str) -> None: ...
    def read(self, bucket: str, key: str) -> bytes: ...
    def store(self, *, max_image_bytes: int = 1 << 20) -> ImageStore | FakeStore: ...
    def labels(self, bucket: str) -> LabelBucket | FakeLabelBucket: ...
    def revoke_credentials(self) -> None: ...
    def deny_reading(self, bucket: str) -> AbstractContextManager[None]: ...


class FakeWorld:
    def __init__(self) -> None:
        self.s3 = FakeS3()

    def bucket(self, *, versioned: bool = False) -> str:
        name = f"bucket-{len(self.s3.buckets)}"
        self.s3.buckets[name] = {}
        if versioned:
            self.s3.versioned.add(name)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> Put:
        stored = self.s3.put(bucket, key, content)
        return stored.etag, stored.version_id

    def delete(self, bucket: str, key: str) -> None:
        self.s3.delete(bucket, key)

    def read(self, bucket: str, key: str) -> bytes:
        return self.s3.get(bucket, key).content or b""

    def store(self, *, max_image_bytes: int = 1 << 20) -> FakeStore:
        return FakeStore(self.s3, max_image_bytes=max_image_bytes)

    def labels(self, bucket: str) -> FakeLabelBucket:
        return FakeLabelBucket(self.s3, bucket)

    def revoke_credentials(self) -> None:
        self.s3.refuses = True

    @contextmanager
    def deny_reading(self, bucket: str) -> Iterator[None]:
        self.s3.denied = {(bucket, key) for key in self.s3.buckets[bucket]}
        yield
        self.s3.denied = set()


class RealWorld:
    def __init__(self, s3: "S3ForTests", environment: pytest.MonkeyPatch) -> None:
        self._s3 = s3
        self._environment = environment
        self._open: list[ImageStore | LabelBucket] = []
        for name, value in s3.credentials.items():
            environment.setenv(name, value)

    def bucket(self, *, versioned: bool = False) -> str:
        name = self._s3.create_bucket()
        if versioned:
            self._s3.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, bucket: str, key: str, content: bytes, **how: str) -> Put:
        stored = self._s3.client.put_object(Bucket=bucket, Key=key, Body=content, **how)  # type: ignore[arg-type]
        return stored["ETag"].strip('"'), stored.get("VersionId")

    def delete(self, bucket: str, key: str) -> None:
        self._s3.client.delete_object(Bucket=bucket, Key=key)

    def read(self, bucket: str, key: str) -> bytes:
        return self._s3.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def settings(self, *, max_image_bytes: int = 1 << 20) -> StoreSettings:
        return StoreSettings(
            endpoint_url=self._s3.endpoint_url, region=self._s3.region, max_image_bytes=max_image_bytes
        )

    def store(self, *, max_image_bytes: int = 1 << 20) -> ImageStore:
        self._open.append(store := ImageStore(self.settings(max_image_bytes=max_image_bytes)))
        return store

    def labels(self, bucket: str) -> LabelBucket:
        self._open.append(labels := LabelBucket(self.settings(), bucket))
        return labels

    def revoke_credentials(self) -> None:
        self._environment.setenv("AWS_SECRET_ACCESS_KEY", "another")

    def deny_reading(self, bucket: str) -> AbstractContextManager[None]:
        return self._s3.deny_reading(bucket)

    def close(self) -> None:
        for store in self._open:
            store.close()


@pytest.fixture(params=["seaweedfs", "versitygw"])
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealWorld]:
    service: S3ForTests | VersityGw = request.getfixturevalue(request.param)
    world = RealWorld(getattr(service, "s3", service), monkeypatch)
    yield world
    world.close()


@pytest.fixture(params=["fake", "seaweedfs", "versitygw"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    service: S3ForTests | VersityGw = request.getfixturevalue(request.param)
    found = RealWorld(getattr(service, "s3", service), monkeypatch)
    yield found
    found.close()


async def test_bytes_and_what_they_are_called(world: World) -> None:
    bucket = world.bucket()
    etag, _ = world.put(bucket, "a/b.jpg", b"hello")
    fetched = await world.store().fetch(ImageRef(bucket, "a/b.jpg"))
    assert (fetched.data, fetched.key, fetched.etag) == (b"hello", "a/b.jpg", etag)
    assert fetched.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert fetched.version_id is None


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_odd_keys(world: World, key: str) -> None:
    bucket = world.bucket()
    world.put(bucket, key, key.encode())
    assert (await world.store().fetch(ImageRef(bucket, key))).data == key.encode()


async def test_an_empty_object_is_fetched(world: World) -> None:
    bucket = world.bucket()
    world.put(bucket, "empty", b"")
    assert (await world.store().fetch(ImageRef(bucket, "empty"))).data == b""


async def test_what_is_not_there_is_missing(world: World) -> None:
    bucket = world.bucket(versioned=True)
    _, version = world.put(bucket, "gone", b"hello")
    world.delete(bucket, "gone")
    store = world.store()
    for image in (
        ImageRef(bucket, "never"),
        ImageRef("no-such-bucket-here", "a"),
        ImageRef(bucket, "gone"),
        ImageRef(bucket, "never", version_id=version),
        ImageRef(bucket, "gone", etag="e"),
        ImageRef(bucket, "never", etag="e", other_key="nor-this"),
        ImageRef(bucket, "a\\..\\..\\b"),  # a name that SeaweedFS does not take
    ):
        with pytest.raises(ImageMissing):
            await store.fetch(image)


async def test_the_version_of_the_event_is_read_whatever_came_later(world: World) -> None:
    bucket = world.bucket(versioned=True)
    etag, version = world.put(bucket, "a", b"first")
    world.put(bucket, "a", b"second")
    store = world.store()
    fetched = await store.fetch(ImageRef(bucket, "a", etag, version))
    assert (fetched.data, fetched.version_id) == (b"first", version)
    assert (await store.fetch(ImageRef(bucket, "a"))).data == b"second"
    world.delete(bucket, "a")
    assert (await store.fetch(ImageRef(bucket, "a", version_id=version))).data == b"first"


async def test_another_etag_is_a_changed_image(world: World) -> None:
    bucket = world.bucket()
    etag, _ = world.put(bucket, "a", b"first")
    assert (await world.store().fetch(ImageRef(bucket, "a", etag))).data == b"first"
    world.put(bucket, "a", b"second")
    with pytest.raises(ImageChanged):
        await world.store().fetch(ImageRef(bucket, "a", etag))


async def test_another_digest_is_a_changed_image(world: World) -> None:
    bucket = world.bucket()
    world.put(bucket, "a", b"first")
    good = hashlib.sha256(b"first").hexdigest()
    assert (await world.store().fetch(ImageRef(bucket, "a", sha256=good))).sha256 == good
    with pytest.raises(ImageChanged):
        await world.store().fetch(ImageRef(bucket, "a", sha256="0" * 64))


async def test_of_two_twins_the_one_with_the_etag_is_meant(world: World) -> None:
    bucket = world.bucket()
    decoded, _ = world.put(bucket, "a b.jpg", b"decoded")
    raw, _ = world.put(bucket, "a+b.jpg", b"raw")
    store = world.store()
    for etag, key, content in ((decoded, "a b.jpg", b"decoded"), (raw, "a+b.jpg", b"raw")):
        fetched = await store.fetch(ImageRef(bucket, "a b.jpg", etag, other_key="a+b.jpg"))
        assert (fetched.key, fetched.data) == (key, content)
    with pytest.raises(ImageChanged):
        await store.fetch(ImageRef(bucket, "a b.jpg", "0" * 32, other_key="a+b.jpg"))


async def test_a_twin_alone_is_found_and_never_stands_in_for_the_other(world: World) -> None:
    bucket = world.bucket()
    etag, _ = world.put(bucket, "a+b.jpg", b"raw")
    store = world.store()
    assert (await store.fetch(ImageRef(bucket, "a b.jpg", etag, other_key="a+b.jpg"))).key == "a+b.jpg"
    with pytest.raises(ImageChanged):
        await store.fetch(ImageRef(bucket, "a b.jpg", "0" * 32, other_key="a+b.jpg"))


async def test_bytes_are_counted(world: World) -> None:
    bucket = world.bucket()
    store = world.store(max_image_bytes=2000)
    world.put(bucket, "fits", b"x" * 2000)
    world.put(bucket, "large", b"x" * 2001)
    assert len((await store.fetch(ImageRef(bucket, "fits"))).data) == 2000
    with pytest.raises(ImageTooLarge):
        await store.fetch(ImageRef(bucket, "large"))
    assert len((await store.fetch(ImageRef(bucket, "fits"))).data) == 2000


async def test_a_bucket_that_serves_an_object_is_probed_and_checked(world: World) -> None:
    store, bucket = world.store(), world.bucket()
    assert await store.check(bucket) is None
    with pytest.raises(StoreUnavailable):
        await store.probe(bucket)
    world.put(bucket, "a", b"hello")
    await store.probe(bucket)


@pytest.mark.parametrize("world", ["fake", "seaweedfs"], indirect=True)  # versitygw denies its root user nothing
async def test_a_bucket_that_lists_but_denies_every_object_passes_no_probe(world: World) -> None:
    store, bucket = world.store(), world.bucket()
    world.put(bucket, "a", b"hello")
    await store.fetch(ImageRef(bucket, "a"))
    with world.deny_reading(bucket):
        with pytest.raises(AccessDenied):
            await store.fetch(ImageRef(bucket, "a"))
        with pytest.raises(AccessDenied):
            await store.probe(bucket)
        assert await store.check(bucket) is None
    await store.probe(bucket)


async def test_a_bucket_that_is_not_there_is_told(world: World) -> None:
    store = world.store()
    with pytest.raises(ImageMissing):
        await store.probe("no-such-bucket-here")
    assert await store.check("no-such-bucket-here")


async def test_refused_credentials_end_a_start_and_are_an_outage_later(world: World) -> None:
    bucket = world.bucket()
    world.put(bucket, "a", b"hello")
    world.revoke_credentials()
    store = world.store()
    with pytest.raises(StoreDenied):
        await store.check(bucket)
    with pytest.raises(StoreUnavailable):
        await store.fetch(ImageRef(bucket, "a"))


async def test_a_picture_may_be_written_again(world: World) -> None:
    bucket = world.bucket()
    labels = world.labels(bucket)
    await labels.put_image("images/a.png", b"png")
    await labels.put_image("images/a.png", b"png")
    assert world.read(bucket, "images/a.png") == b"png"


async def test_a_case_is_written_once(world: World) -> None:
    bucket = world.bucket()
    labels = world.labels(bucket)
    await labels.put_case("cases/2026/01/02/c.json", b"first")
    await labels.put_case("cases/2026/01/02/c.json", b"second")
    assert world.read(bucket, "cases/2026/01/02/c.json") == b"first"


async def test_an_object_of_the_labeling_bucket_is_there_or_not(world: World) -> None:
    bucket = world.bucket()
    labels = world.labels(bucket)
    assert not await labels.has_object("deleted/a.json")
    world.put(bucket, "deleted/a.json", b"{}")
    assert await labels.has_object("deleted/a.json")
    assert not await labels.has_object("deleted/a")


async def test_deleted_objects_are_gone_and_deleting_them_again_is_no_error(world: World) -> None:
    bucket = world.bucket()
    labels = world.labels(bucket)
    await labels.put_image("images/a.png", b"png")
    for _ in range(2):
        await labels.delete(["images/a.png", "cases/2026/01/02/a.json"])
    assert not await labels.has_object("images/a.png")


@pytest.mark.parametrize("world", ["fake", "seaweedfs"], indirect=True)  # versitygw denies its root user nothing
async def test_an_object_that_must_not_be_looked_at_is_not_taken_for_a_missing_one(world: World) -> None:
    bucket = world.bucket()
    world.put(bucket, "deleted/a.json", b"{}")
    with world.deny_reading(bucket), pytest.raises(AccessDenied):
        await world.labels(bucket).has_object("deleted/a.json")


# Real servers alone


async def test_without_credentials_a_start_ends(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = real.store()
    with pytest.raises(StoreDenied, match="AWS_ACCESS_KEY_ID"):
        await store.check(real.bucket())
    with pytest.raises(StoreUnavailable):
        await store.fetch(ImageRef("any", "a"))


def test_objects_are_listed_in_order_and_from_behind_a_key(real: RealWorld) -> None:
    bucket = real.bucket()
    etags = {key: real.put(bucket, key, key.encode())[0] for key in ("in/a b", "in/a+b", "in/ä", "out/c")}
    listed = list(list_bucket(real.settings(), bucket, "in/"))
    assert [(found.key, found.etag) for found in listed] == [(key, etags[key]) for key in ("in/a b", "in/a+b", "in/ä")]
    assert [found.key for found in list_bucket(real.settings(), bucket, "in/", after="in/a b")] == ["in/a+b", "in/ä"]
    with pytest.raises(ImageMissing):
        list(list_bucket(real.settings(), "no-such-bucket-here", ""))


async def test_a_bucket_is_created_once_and_kept(real: RealWorld) -> None:
    name = f"created-{uuid4().hex[:8]}"
    create_bucket(real.settings(), name)
    real.put(name, "a", b"hello")
    create_bucket(real.settings(), name)
    assert await real.store().check(name) is None
    assert real.read(name, "a") == b"hello"


@pytest.mark.parametrize("real", ["seaweedfs"], indirect=True)
async def test_an_object_with_a_content_encoding_is_unpacked_and_named_as_stored(real: RealWorld) -> None:
    bucket, stored = real.bucket(), gzip.compress(b"hello" * 100)
    etag, _ = real.put(bucket, "a", stored, ContentEncoding="gzip")
    fetched = await real.store().fetch(ImageRef(bucket, "a", etag))
    assert (fetched.data, fetched.stored_bytes, fetched.etag) == (b"hello" * 100, len(stored), etag)
    assert fetched.sha256 == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("real", ["seaweedfs"], indirect=True)
async def test_an_object_with_a_key_of_its_sender_is_not_taken_for_a_missing_one(real: RealWorld) -> None:
    bucket = real.bucket()
    real.put(bucket, "a", b"hello", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    with pytest.raises(ImageEncrypted):
        await real.store().fetch(ImageRef(bucket, "a"))
