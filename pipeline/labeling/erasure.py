"""Erasure of one image from the labeling bucket; it may be repeated, and goes on where a kill has ended it.

Invariant: the tombstone is there before anything is deleted, and the cases go last.
"""

from collections.abc import Collection
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.errors import ImageMissing, ImageTooLarge
from pipeline.storage.buckets import list_objects
from pipeline.storage.objects import delete_objects, read_object, write_object
from pipeline.wire.labels import LABELS, Tombstone, build_image_key, build_tombstone_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_TOMBSTONE_BYTES = 16_000_000


def erase_image(
    client: "S3Client", bucket: str, sha256: str, case_keys: Collection[str], *, now: datetime
) -> list[str]:
    """Leave a tombstone, and delete the image, its labels and its cases; return the keys that were to be deleted.

    Raises: AccessDenied, ImageMissing (no such bucket), StoreUnavailable; the same call then finishes it later.
    """
    tombstone = write_tombstone(client, bucket, sha256, case_keys, now=now)
    labels = [
        found.key for case_id in tombstone.case_ids for found in list_objects(client, bucket, f"{LABELS}{case_id}/")
    ]
    delete_objects(client, bucket, [build_image_key(sha256), *labels])
    delete_objects(client, bucket, sorted(case_keys))
    return [build_image_key(sha256), *labels, *sorted(case_keys)]


def write_tombstone(
    client: "S3Client", bucket: str, sha256: str, case_keys: Collection[str], *, now: datetime
) -> Tombstone:
    """Leave a tombstone, or add these cases to the one that is there; return it. Raises: as `erase_image`."""
    earlier = read_tombstone(client, bucket, sha256)
    case_ids = {PurePosixPath(key).stem for key in case_keys} | set(earlier.case_ids if earlier else ())
    if earlier and case_ids == set(earlier.case_ids):
        return earlier
    tombstone = Tombstone(sha256=sha256, case_ids=sorted(case_ids), deleted_at=earlier.deleted_at if earlier else now)
    write_object(client, bucket, build_tombstone_key(sha256), tombstone.model_dump_json().encode())
    return tombstone


def read_tombstone(client: "S3Client", bucket: str, sha256: str) -> Tombstone | None:
    """Return the tombstone of an image, None without a readable one. Raises: AccessDenied, StoreUnavailable."""
    try:
        stored = read_object(client, bucket, build_tombstone_key(sha256), max_bytes=MAX_TOMBSTONE_BYTES)
        return Tombstone.model_validate_json(stored.body)
    except (ImageMissing, ImageTooLarge, ValidationError):
        return None
