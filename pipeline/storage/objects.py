"""Operations on single objects, conditional writes among them; every exception is one of ours."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import ImageChanged, ImageMissing, ImageTooLarge, StoreUnavailable
from pipeline.storage.errors import translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JSON = "application/json"
PART_BYTES = 1_000_000
MOST_DELETED = 1000
"""keys that S3 deletes in one request"""


@dataclass(frozen=True, slots=True)
class StoredObject:
    body: bytes
    etag: str


def read_object(client: "S3Client", bucket: str, key: str, *, max_bytes: int) -> StoredObject:
    """Read an object whole.

    Raises: ImageMissing, ImageTooLarge, AccessDenied, StoreUnavailable.
    """
    place = f"object {key} of bucket {bucket}"
    with translate_errors(place):
        response = client.get_object(Bucket=bucket, Key=key)
        with closing(response["Body"]) as stream:
            body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise ImageTooLarge(f"{place} has more than {max_bytes:,} bytes")
    return StoredObject(body, response["ETag"])


def download_object(client: "S3Client", bucket: str, key: str, path: Path) -> None:
    """Write an object to a file, a part at a time; after an error the file may be cut short.

    Raises: ImageMissing, AccessDenied, StoreUnavailable; OSError from the file.
    """
    with path.open("wb") as file:
        for part in stream_object(client, bucket, key):
            file.write(part)


def stream_object(client: "S3Client", bucket: str, key: str, *, first_byte: int = 0) -> Iterator[bytes]:
    """Yield the content of an object in parts, from `first_byte` on, which has to be one of its bytes.

    Raises: ImageMissing, AccessDenied, StoreUnavailable.
    """
    with translate_errors(f"object {key} of bucket {bucket}"):
        if first_byte:
            response = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={first_byte}-")
        else:
            response = client.get_object(Bucket=bucket, Key=key)
        with closing(response["Body"]) as stream:
            yield from stream.iter_chunks(PART_BYTES)


def write_object(client: "S3Client", bucket: str, key: str, body: bytes, *, content_type: str = JSON) -> None:
    """Write an object over the one that is there.

    Raises: ImageMissing (no such bucket), AccessDenied, StoreUnavailable.
    """
    with translate_errors(f"object {key} of bucket {bucket}"):
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)


def create_object(
    client: "S3Client", bucket: str, key: str, body: bytes | BinaryIO, *, content_type: str = JSON
) -> bool:
    """Write an object unless there is one already, for which it returns False. Raises: as `write_object`."""
    try:
        with translate_errors(f"object {key} of bucket {bucket}"):
            client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
    except ImageChanged:
        return False
    return True


def replace_object(client: "S3Client", bucket: str, key: str, body: bytes, *, etag: str) -> bool:
    """Write over the object of this etag; return False if it has another one by now. Raises: as `write_object`."""
    try:
        with translate_errors(f"object {key} of bucket {bucket}"):
            client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=JSON, IfMatch=etag)
    except (ImageChanged, ImageMissing):
        return False
    return True


def delete_objects(client: "S3Client", bucket: str, keys: Sequence[str]) -> None:
    """Delete the objects; one that is gone already is no error.

    Raises: AccessDenied, StoreUnavailable, which names the first key that could not be deleted.
    """
    for first in range(0, len(keys), MOST_DELETED):
        with translate_errors(f"bucket {bucket}"):
            keys_of_request = keys[first : first + MOST_DELETED]
            response = client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys_of_request], "Quiet": True}
            )
        for failure in response.get("Errors", []):
            raise StoreUnavailable(f"object {failure.get('Key')} was not deleted: S3 answers {failure.get('Code')}")
