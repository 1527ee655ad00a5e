"""Uploads of large files in parts, with their digest beside them, so that the next upload knows what is there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig

from pipeline.errors import ImageMissing
from pipeline.storage.errors import translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DIGEST = "sha256"
BINARY = "application/octet-stream"
TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4)
"""each part is read from the file while it is sent"""


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """`sha256` is None for an object that `upload_file` did not write."""

    bytes: int
    sha256: str | None


def upload_file(client: "S3Client", bucket: str, key: str, path: Path, *, sha256: str) -> None:
    """Write a file to an object, which appears whole or not at all; `sha256` is that of the file.

    Raises: ImageMissing (no such bucket), AccessDenied, StoreUnavailable.
    """
    with translate_errors(f"object {key} of bucket {bucket}"):
        try:
            client.upload_file(
                str(path),
                bucket,
                key,
                ExtraArgs={"ContentType": BINARY, "Metadata": {DIGEST: sha256}},
                Config=TRANSFER,
            )
        except S3UploadFailedError as error:  # says nothing but the text of what it came from
            raise (error.__context__ or error) from error


def find_uploaded(client: "S3Client", bucket: str, key: str) -> UploadedObject | None:
    """Read size and digest of an object; None if there is none. Raises: AccessDenied, StoreUnavailable."""
    try:
        with translate_errors(f"object {key} of bucket {bucket}"):
            response = client.head_object(Bucket=bucket, Key=key)
    except ImageMissing:
        return None
    return UploadedObject(response["ContentLength"], response["Metadata"].get(DIGEST))
