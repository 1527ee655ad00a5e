"""One model of a registry in S3: its champion pointer and its revisions.

Layout: `models/{name}/champion.json`, `models/{name}/history/`, `models/{name}/revisions/{sha256-...}/` with the files
of the revision and their `manifest.json`. Invariant: the pointer changes by a conditional write alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pipeline.errors import BadSettings, ImageMissing
from pipeline.registry.address import format_folder
from pipeline.registry.champion import Champion
from pipeline.registry.manifest import MANIFEST_NAME, RevisionManifest
from pipeline.storage.buckets import ListedObject, list_folders, list_objects
from pipeline.storage.objects import StoredObject, create_object, read_object, replace_object
from pipeline.wire.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_JSON_BYTES = 16_000_000
POINTER = "champion.json"
Parsed = TypeVar("Parsed", bound=Message)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The champion with the etag of the pointer that was read, which a change of the pointer has to name."""

    champion: Champion
    etag: str


@dataclass(frozen=True, slots=True)
class ModelRegistry:
    """Each method raises AccessDenied and StoreUnavailable as the bucket's operations do."""

    client: "S3Client"
    bucket: str
    name: str

    def read_pointer(self) -> Pointer | None:
        """Return None if no revision was ever promoted. Raises: BadSettings for a pointer that cannot be read."""
        stored = self._read(POINTER)
        return Pointer(self._parse(Champion, stored.body, POINTER), stored.etag) if stored else None

    def write_pointer(self, champion: Champion, *, etag: str | None) -> bool:
        """Point to another champion if the pointer still has this etag (None: there is none yet); else return False."""
        key, body = f"{self._root}{POINTER}", champion.model_dump_json().encode()
        if etag is None:
            return create_object(self.client, self.bucket, key, body)
        return replace_object(self.client, self.bucket, key, body, etag=etag)

    def write_history(self, champion: Champion) -> None:
        """Append a champion to the history, unless it is there."""
        key = f"{self._root}{_name_entry(champion.number)}"
        create_object(self.client, self.bucket, key, champion.model_dump_json().encode())

    def read_entry(self, number: int) -> Champion | None:
        """Read the champion of this number from the history. Raises: BadSettings for an entry that cannot be read."""
        stored = self._read(_name_entry(number))
        return self._parse(Champion, stored.body, _name_entry(number)) if stored else None

    def find_manifest(self, revision: str) -> RevisionManifest | None:
        """Return None for a revision without a manifest. Raises: BadSettings for a manifest that cannot be read."""
        path = _name_manifest(revision)
        stored = self._read(path)
        if stored is None:
            return None
        manifest = self._parse(RevisionManifest, stored.body, path)
        if manifest.revision != revision:
            raise BadSettings(f"{self.describe(path)} is the manifest of another revision, {manifest.revision}")
        return manifest

    def read_manifest(self, revision: str) -> RevisionManifest:
        """Read the manifest of a revision.

        Raises: BadSettings if the revision does not exist, is unfinished, or its manifest cannot be read.
        """
        manifest = self.find_manifest(revision)
        if manifest is None:
            place = self.describe(_name_manifest(revision))
            raise BadSettings(f"{place} is missing: push the revision again with `zoomin-train models push`")
        return manifest

    def require_complete(self, revision: str) -> None:
        """Check that the files of a revision are there, by their sizes; who loads them checks their digests.

        Raises: BadSettings if there is no such revision, or a file of it is missing or has another size.
        """
        manifest, objects = self.read_manifest(revision), self.list_files(revision)
        sizes = {path: objects[path].bytes if path in objects else None for path in manifest.files}
        if wrong := [path for path, file in manifest.files.items() if sizes[path] != file.bytes]:
            raise BadSettings(
                f"{self.name} {revision} is incomplete: {', '.join(wrong)} missing or of another size; "
                "push it again with `zoomin-train models push`"
            )

    def create_manifest(self, manifest: RevisionManifest) -> bool:
        """Write the manifest of a revision whose files are there; return False if it has one already."""
        key = self.build_file_key(manifest.revision, MANIFEST_NAME)
        return create_object(self.client, self.bucket, key, manifest.model_dump_json().encode())

    def list_revisions(self) -> Iterator[str]:
        """Yield the revisions, also those whose push has not ended."""
        for folder in list_folders(self.client, self.bucket, f"{self._root}revisions/"):
            yield folder.rstrip("/").rpartition("/")[2].replace("-", ":", 1)

    def build_file_key(self, revision: str, path: str) -> str:
        return f"{self._root}revisions/{format_folder(revision)}/{path}"

    def list_files(self, revision: str) -> dict[str, ListedObject]:
        """List the objects of a revision, by their paths in it."""
        prefix = self.build_file_key(revision, "")
        return {found.key.removeprefix(prefix): found for found in list_objects(self.client, self.bucket, prefix)}

    def describe(self, path: str) -> str:
        """Return the place of an object of this model as users write it."""
        return f"s3://{self.bucket}/{self._root}{path}"

    @property
    def _root(self) -> str:
        return f"models/{self.name}/"

    def _read(self, path: str) -> StoredObject | None:
        try:
            return read_object(self.client, self.bucket, f"{self._root}{path}", max_bytes=MAX_JSON_BYTES)
        except ImageMissing:
            return None

    def _parse(self, message: type[Parsed], body: bytes, path: str) -> Parsed:
        try:
            return message.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the whole"
            raise BadSettings(f"{self.describe(path)} cannot be read: {field}: {first['msg']}") from error


def _name_entry(number: int) -> str:
    return f"history/{number:08}.json"


def _name_manifest(revision: str) -> str:
    return f"revisions/{format_folder(revision)}/{MANIFEST_NAME}"
