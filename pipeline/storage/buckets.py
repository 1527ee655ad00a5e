"""Operations on a whole bucket: list its objects, check before a start that it can be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pipeline.storage.errors import DENIED, MISSING, read_error_code, require_access, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ListedObject:
    key: str
    etag: str | None
    bytes: int = 0
    modified_at: datetime | None = None


def list_objects(client: "S3Client", bucket: str, prefix: str, *, after: str = "") -> Iterator[ListedObject]:
    """Yield the objects below `prefix` in the order of their keys, only those behind the key `after`.

    Sends one request for each 1,000 objects.

    Raises: StoreDenied, AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
    """
    with translate_errors(f"bucket {bucket}"), require_access():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after)
        for page in pages:
            for found in page.get("Contents", []):
                etag = found.get("ETag", "").strip('"') or None
                yield ListedObject(found["Key"], etag, found.get("Size", 0), found.get("LastModified"))


def list_folders(client: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    """Yield the prefixes, with their slashes, that stand one level below `prefix`. Raises: as `list_objects`."""
    with translate_errors(f"bucket {bucket}"), require_access():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        for page in pages:
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))


def find_bucket_problem(client: "S3Client", bucket: str) -> str | None:
    """Return one sentence for the operator if the bucket cannot be read; None when all is well.

    Raises: StoreDenied when S3 does not know our credentials, or we do not know its certificate.
    """
    try:
        with require_access():
            # A listing rather than HeadBucket: its refusal has a body with the reason.
            client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        code = read_error_code(error)
        if code in DENIED:
            return f"may not be listed ({code}): objects that are missing will look denied"
        return "does not exist" if code in MISSING else f"S3 answers {code}"
    except (BotoCoreError, HTTPError, OSError) as error:
        return f"S3 does not answer: {type(error).__name__}"
    return None
