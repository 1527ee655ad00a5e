"""The place where snapshots lie, a directory or a bucket: images once for all of them, and a folder for each.

    images/ab/abcd....png                  an image, named by the digest of its file
    <digest>/manifest.jsonl ...            the files of a snapshot
    <digest>/snapshot.json                 comes last: with it the snapshot is complete
    newest.json                            the snapshot that was made last

Nothing but `newest.json` is ever written over.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline.errors import BadSettings, ImageMissing
from pipeline.storage.buckets import list_folders, list_objects
from pipeline.storage.objects import StoredObject, create_object, download_object, read_object, replace_object
from training.common.whole_file import write_whole
from training.dataset.frame import locate_frame
from training.labeling.bucket import MAX_IMAGE_BYTES, MAX_JSON_BYTES, SCHEME, LabelingBucket, open_labeling_bucket
from training.settings import TrainSettings

IMAGES, SUMMARY, NEWEST = "images", "snapshot.json", "newest.json"
PNG = "image/png"


class SnapshotPlace(Protocol):
    """All methods of a place in a bucket raise AccessDenied, StoreUnavailable and ImageMissing (no such bucket)."""

    def locate(self, digest: str) -> str:
        """Return the place of a snapshot as users write it."""

    def list_images(self) -> Iterator[str]:
        """Yield the digests of all images."""

    def list_snapshots(self) -> list[str]:
        """List the digests of the complete snapshots."""

    def is_complete(self, digest: str) -> bool: ...

    def read_image(self, sha256: str) -> bytes: ...

    def put_image(self, sha256: str, data: bytes) -> None: ...

    def read_file(self, digest: str, name: str, target: Path) -> None:
        """Copy a file of a snapshot. Raises: ImageMissing."""

    def put_file(self, digest: str, name: str, source: Path) -> None:
        """Write a file of a snapshot unless it is there."""

    def read_newest(self) -> str | None:
        """Return the digest of the snapshot that was made last."""

    def write_newest(self, digest: str, *, after: str | None) -> bool:
        """Name the newest snapshot; return False, and change nothing, if the one of before is not `after` any more."""


class DirectoryPlace:
    """Snapshots in a directory; training reads `<directory>/<digest>` as any set, whose images are a link to all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def locate(self, digest: str) -> str:
        return str(self._directory / digest)

    def list_images(self) -> Iterator[str]:
        return (path.stem for path in (self._directory / IMAGES).glob("??/*.png"))

    def list_snapshots(self) -> list[str]:
        """List the folders but for hidden ones, which a killed fetch leaves."""
        return sorted(path.parent.name for path in self._directory.glob(f"[!.]*/{SUMMARY}"))

    def is_complete(self, digest: str) -> bool:
        return (self._directory / digest / SUMMARY).is_file()

    def read_image(self, sha256: str) -> bytes:
        return (self._directory / locate_frame(sha256)).read_bytes()

    def put_image(self, sha256: str, data: bytes) -> None:
        path = self._directory / locate_frame(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as unfinished:
            unfinished.write_bytes(data)

    def read_file(self, digest: str, name: str, target: Path) -> None:
        try:
            shutil.copyfile(self._directory / digest / name, target)
        except FileNotFoundError as error:
            raise ImageMissing(f"{self._directory / digest} has no {name}") from error

    def put_file(self, digest: str, name: str, source: Path) -> None:
        folder = self._directory / digest
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / IMAGES).is_symlink():
            (folder / IMAGES).symlink_to(Path("..") / IMAGES)
        if not (folder / name).exists():
            with write_whole(folder / name) as unfinished:
                shutil.copyfile(source, unfinished)

    def read_newest(self) -> str | None:
        path = self._directory / NEWEST
        return _parse_newest(path.read_bytes()) if path.is_file() else None

    def write_newest(self, digest: str, *, after: str | None) -> bool:
        newest = self.read_newest()
        if newest == after:
            with write_whole(self._directory / NEWEST) as unfinished:
                unfinished.write_bytes(_render_newest(digest))
        return newest in (after, digest)


class BucketPlace:
    """Snapshots below a prefix of a bucket."""

    def __init__(self, bucket: LabelingBucket, prefix: str) -> None:
        self._client = bucket.client
        self._bucket = bucket.name
        self._prefix = f"{prefix}/" if prefix else ""

    def locate(self, digest: str) -> str:
        return f"{SCHEME}{self._bucket}/{self._prefix}{digest}"

    def list_images(self) -> Iterator[str]:
        keys = list_objects(self._client, self._bucket, f"{self._prefix}{IMAGES}/")
        return (PurePosixPath(found.key).stem for found in keys)

    def list_snapshots(self) -> list[str]:
        """List the folders, one request for each 1,000, not the images."""
        folders = list_folders(self._client, self._bucket, self._prefix)
        digests = [PurePosixPath(folder).name for folder in folders]
        return [digest for digest in digests if self.is_complete(digest)]

    def is_complete(self, digest: str) -> bool:
        key = f"{self._prefix}{digest}/{SUMMARY}"
        return any(found.key == key for found in list_objects(self._client, self._bucket, key))

    def read_image(self, sha256: str) -> bytes:
        key = self._prefix + locate_frame(sha256)
        return read_object(self._client, self._bucket, key, max_bytes=MAX_IMAGE_BYTES).body

    def put_image(self, sha256: str, data: bytes) -> None:
        create_object(self._client, self._bucket, self._prefix + locate_frame(sha256), data, content_type=PNG)

    def read_file(self, digest: str, name: str, target: Path) -> None:
        download_object(self._client, self._bucket, f"{self._prefix}{digest}/{name}", target)

    def put_file(self, digest: str, name: str, source: Path) -> None:
        with source.open("rb") as stream:
            create_object(self._client, self._bucket, f"{self._prefix}{digest}/{name}", stream)

    def read_newest(self) -> str | None:
        stored = self._read_newest()
        return _parse_newest(stored.body) if stored else None

    def write_newest(self, digest: str, *, after: str | None) -> bool:
        key, body, stored = self._prefix + NEWEST, _render_newest(digest), self._read_newest()
        newest = _parse_newest(stored.body) if stored else None
        if newest != after:
            return newest == digest
        if stored is None:
            return create_object(self._client, self._bucket, key, body)
        return replace_object(self._client, self._bucket, key, body, etag=stored.etag)

    def _read_newest(self) -> StoredObject | None:
        try:
            return read_object(self._client, self._bucket, self._prefix + NEWEST, max_bytes=MAX_JSON_BYTES)
        except ImageMissing:
            return None


@contextmanager
def open_place(name: str, settings: TrainSettings) -> Iterator[SnapshotPlace]:
    """Open `s3://bucket/prefix` or a directory. Raises: BadSettings."""
    if not name.startswith(SCHEME):
        yield DirectoryPlace(Path(name))
        return
    bucket_name, _, prefix = name.removeprefix(SCHEME).partition("/")
    if not prefix.strip("/"):
        raise BadSettings(f"{name} names no place for snapshots: it is written s3://bucket/name, or a directory")
    with open_labeling_bucket(SCHEME + bucket_name, settings) as bucket:
        yield BucketPlace(bucket, prefix.strip("/"))


def _parse_newest(text: bytes) -> str:
    try:
        return str(json.loads(text)["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadSettings(
            f"{NEWEST} of the snapshots is broken; delete it, and name the newest snapshot with --predecessor"
        ) from error


def _render_newest(digest: str) -> bytes:
    return json.dumps({"digest": digest}).encode() + b"\n"
