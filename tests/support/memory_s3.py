"""S3 in memory, for unit tests of what reads and writes a bucket: the calls that `pipeline.storage` makes, no more."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError, ReadTimeoutError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = 1000


class _Body(io.BytesIO):
    """A body whose connection breaks after `breaks_at` bytes."""

    def __init__(self, content: bytes, breaks_at: int | None) -> None:
        super().__init__(content)
        self._breaks_at = breaks_at

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while chunk := self.read(size if self._breaks_at is None else max(0, self._breaks_at - self.tell())):
            yield chunk
        if self._breaks_at is not None:
            raise ReadTimeoutError(endpoint_url="memory")


class MemoryS3:
    """One bucket of any name.

    `refuse_writes` denies every PUT and DELETE below the prefixes that it holds, `refuse_reads` every GET. Each of
    `breaks` is for one GET, whose connection breaks after so many bytes.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuse_writes: tuple[str, ...] = ()
        self.refuse_reads: tuple[str, ...] = ()
        self.requests: list[tuple[str, str]] = []
        self.breaks: list[int] = []
        self.metadata: dict[str, dict[str, str]] = {}
        self.sent_bytes = 0
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    def get_object(self, *, Bucket: str, Key: str, Range: str = "bytes=0-") -> dict[str, object]:  # noqa: N803
        self.requests.append(("get", Key))
        if Key.startswith(self.refuse_reads or ("\0",)):
            raise _refuse("AccessDenied", "GetObject")
        if Key not in self.objects:
            raise _refuse("NoSuchKey", "GetObject")
        first = int(Range.removeprefix("bytes=").removesuffix("-"))
        breaks_at = self.breaks.pop(0) if self.breaks else None
        self.sent_bytes += len(self.objects[Key][first:][:breaks_at])
        return {"Body": _Body(self.objects[Key][first:], breaks_at), "ETag": _tag(self.objects[Key])}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - boto3's names
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> dict[str, object]:
        self.requests.append(("put", Key))
        self._check_right(Key, "PutObject")
        stored = self.objects.get(Key)
        if IfNoneMatch and stored is not None:
            raise _refuse("PreconditionFailed", "PutObject")
        if IfMatch and (stored is None or _tag(stored) != IfMatch):
            raise _refuse("PreconditionFailed", "PutObject")
        self.objects[Key] = Body
        self.metadata.pop(Key, None)
        return {"ETag": _tag(Body)}

    def upload_file(
        self,
        Filename: str,  # noqa: N803 - boto3's names
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        *,
        ExtraArgs: Mapping[str, object],  # noqa: N803
        Config: object,  # noqa: N803
    ) -> None:
        self.put_object(Bucket=Bucket, Key=Key, Body=Path(Filename).read_bytes(), ContentType="")
        self.metadata[Key] = cast("dict[str, str]", ExtraArgs["Metadata"])

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803
        self.requests.append(("head", Key))
        if Key not in self.objects:
            raise _refuse("404", "HeadObject")
        return {"ContentLength": len(self.objects[Key]), "Metadata": self.metadata.get(Key, {})}

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, object]) -> dict[str, object]:  # noqa: N803
        for item in cast("list[dict[str, str]]", Delete["Objects"]):
            self._check_right(item["Key"], "DeleteObjects")
            self.objects.pop(item["Key"], None)
        return {}

    def get_paginator(self, name: str) -> "_Paginator":
        assert name == "list_objects_v2"
        return _Paginator(self)

    def describe(self, key: str) -> dict[str, object]:
        body = self.objects[key]
        return {"Key": key, "ETag": _tag(body), "Size": len(body), "LastModified": self.now}

    def _check_right(self, key: str, operation: str) -> None:
        if key.startswith(self.refuse_writes or ("\0",)):
            raise _refuse("AccessDenied", operation)


class _Paginator:
    def __init__(self, s3: MemoryS3) -> None:
        self._s3 = s3

    def paginate(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
    ) -> Iterator[dict[str, object]]:
        self._s3.requests.append(("list", Prefix))
        if Delimiter:
            rests = {key.removeprefix(Prefix).partition("/")[0] for key in self._s3.objects if key.startswith(Prefix)}
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{rest}/"} for rest in sorted(rests)]}
            return
        keys = sorted(key for key in self._s3.objects if key.startswith(Prefix) and key > StartAfter)
        for first in range(0, len(keys), PAGE):
            page = keys[first : first + PAGE]
            yield {"Contents": [self._s3.describe(key) for key in page]}


def _refuse(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
