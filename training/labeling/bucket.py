"""The labeling bucket: cases with their images, labels, tombstones and marks, read as they come and never changed."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pipeline.errors import BadSettings, ImageMissing, ImageTooLarge
from pipeline.storage.buckets import list_objects
from pipeline.storage.objects import create_object, delete_objects, read_object, write_object
from pipeline.wire.labels import (
    CASES,
    LABELS,
    TOMBSTONES,
    LabelCase,
    LabelEvent,
    build_label_key,
    build_mark_key,
)
from pipeline.wire.messages import Message
from training.common.s3 import open_s3
from training.settings import TrainSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
MAX_JSON_BYTES = 4_000_000
MAX_IMAGE_BYTES = 1_000_000_000
Stored = TypeVar("Stored", bound=Message)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object of the bucket that is none of ours, or broken."""

    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class LabelingBucket:
    """An open labeling bucket. All methods raise AccessDenied, StoreUnavailable and ImageMissing (no such bucket)."""

    name: str
    client: "S3Client"

    def list_case_keys(self) -> Iterator[str]:
        """Yield the keys of all cases, the earliest day first."""
        return (found.key for found in list_objects(self.client, self.name, CASES))

    def read_case(self, key: str) -> LabelCase | Unreadable:
        return self._read(LabelCase, key)

    def list_label_keys(self, case_id: str = "") -> Iterator[str]:
        """Yield the keys of the labels of one case, or of all cases, those of one case together."""
        prefix = f"{LABELS}{case_id}/" if case_id else LABELS
        return (found.key for found in list_objects(self.client, self.name, prefix))

    def read_label(self, key: str) -> LabelEvent | Unreadable:
        return self._read(LabelEvent, key)

    def put_label(self, label: LabelEvent) -> bool:
        """Write a label; return False if it was there already."""
        key = build_label_key(label.case_id, label.label_id)
        return create_object(self.client, self.name, key, label.model_dump_json().encode())

    def list_tombstones(self) -> frozenset[str]:
        """List the sha256 of the images that are deleted."""
        keys = (found.key for found in list_objects(self.client, self.name, TOMBSTONES))
        return frozenset(key.removeprefix(TOMBSTONES).removesuffix(".json") for key in keys)

    def read_image(self, object_key: str) -> bytes:
        """Read a PNG of the bucket. Raises: ImageMissing, ImageTooLarge."""
        return read_object(self.client, self.name, object_key, max_bytes=MAX_IMAGE_BYTES).body

    def read_mark(self, name: str) -> dict[str, object]:
        """Return where a command stood when it last ended; empty if it never ran, or if the object is broken."""
        try:
            stored = read_object(self.client, self.name, build_mark_key(name), max_bytes=MAX_JSON_BYTES)
            mark = json.loads(stored.body)
        except (ImageMissing, ImageTooLarge, ValueError):
            return {}
        return mark if isinstance(mark, dict) else {}

    def write_mark(self, name: str, mark: dict[str, object]) -> None:
        write_object(self.client, self.name, build_mark_key(name), json.dumps(mark).encode())

    def delete(self, keys: list[str]) -> None:
        delete_objects(self.client, self.name, keys)

    def _read(self, model: type[Stored], key: str) -> Stored | Unreadable:
        try:
            return model.model_validate_json(read_object(self.client, self.name, key, max_bytes=MAX_JSON_BYTES).body)
        except ValidationError as error:
            first = error.errors()[0]
            return Unreadable(key, f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": "))
        except (ImageMissing, ImageTooLarge) as error:
            return Unreadable(key, error.detail)


@contextmanager
def open_labeling_bucket(url: str, settings: TrainSettings) -> Iterator[LabelingBucket]:
    """Open the bucket of `s3://bucket`; credentials come by boto3's own chain.

    Raises: BadSettings for another form of URL.
    """
    name = url.removeprefix(SCHEME).strip("/")
    if not url.startswith(SCHEME) or not name or "/" in name:
        raise BadSettings(f"{url} names no labeling bucket: it is written s3://bucket")
    with closing(open_s3(settings)) as client:
        yield LabelingBucket(name, client)
