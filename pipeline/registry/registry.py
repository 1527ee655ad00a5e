"""One model of a registry in S3: its champion pointer and its revisions.

Layout: `models/{name}/champion.json`, `models/{name}/history/`, `models/{name}/revisions/{sha256-...}/` with the files
of the revision and their `manifest.json`. Invariant: the pointer changes by a conditional write alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.errors import BadSettings, ImageMissing
from pipeline.registry.address import format_folder
from pipeline.registry.champion import Champion
from pipeline.registry.manifest import MANIFEST_NAME, RevisionManifest
from pipeline.storage.buckets import list_folders
from pipeline.storage.objects import StoredObject, create_object, read_object, replace_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_JSON_BYTES = 16_000_000


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
        stored = self._read(f"{self._root}champion.json")
        if stored is None:
            return None
        try:
            return Pointer(Champion.model_validate_json(stored.body), stored.etag)
        except ValidationError as error:
            raise BadSettings(f"{self._describe('champion.json')} is no champion pointer: {error}") from error

    def write_pointer(self, champion: Champion, *, etag: str | None) -> bool:
        """Point to another champion if the pointer still has this etag (None: there is none yet); else return False."""
        key, body = f"{self._root}champion.json", champion.model_dump_json().encode()
        if etag is None:
            return create_object(self.client, self.bucket, key, body)
        return replace_object(self.client, self.bucket, key, body, etag=etag)

    def read_manifest(self, revision: str) -> RevisionManifest:
        """Read the manifest of a revision.

        Raises: BadSettings if the revision does not exist, is incomplete, or its manifest cannot be read.
        """
        place = self._describe(f"revisions/{format_folder(revision)}/{MANIFEST_NAME}")
        stored = self._read(self.build_file_key(revision, MANIFEST_NAME))
        if stored is None:
            raise BadSettings(f"{place} is missing: push the revision again with `zoomin-train models push`")
        try:
            manifest = RevisionManifest.model_validate_json(stored.body)
        except ValidationError as error:
            raise BadSettings(f"{place} is no manifest: {error}") from error
        if manifest.revision != revision:
            raise BadSettings(f"{place} is the manifest of another revision, {manifest.revision}")
        return manifest

    def list_revisions(self) -> Iterator[str]:
        """Yield the revisions, also those whose push has not ended."""
        for folder in list_folders(self.client, self.bucket, f"{self._root}revisions/"):
            yield folder.rstrip("/").rpartition("/")[2].replace("-", ":", 1)

    def build_file_key(self, revision: str, path: str) -> str:
        return f"{self._root}revisions/{format_folder(revision)}/{path}"

    @property
    def _root(self) -> str:
        return f"models/{self.name}/"

    def _read(self, key: str) -> StoredObject | None:
        try:
            return read_object(self.client, self.bucket, key, max_bytes=MAX_JSON_BYTES)
        except ImageMissing:
            return None

    def _describe(self, path: str) -> str:
        return f"s3://{self.bucket}/{self._root}{path}"
