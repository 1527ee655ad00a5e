"""Labeled cases of the labeling bucket, brought to disk as a manifest with its images: one case and image at a time."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from pipeline.errors import BadSettings, ImageMissing, StoreDenied, StoreUnavailable
from pipeline.wire.messages import LabelCase
from training.common.progress import Progress
from training.dataset import manifest, tuples
from training.dataset.manifest import Entry, Explanations
from training.dataset.tuples import LeftOut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CASES = "cases/"
PENDING, UNREADABLE, MISSING = "case_pending", "case_unreadable", "image_missing"
MAX_CASE_BYTES = 4_000_000
MAX_IMAGE_BYTES = 1_000_000_000
GONE = frozenset({"NoSuchKey", "404"})
ATTEMPTS = 5
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class LabelingBucket:
    """Where it is; credentials come by boto3's own chain."""

    name: str
    endpoint_url: str | None
    region: str


def bring(bucket: LabelingBucket, directory: Path) -> Path:
    """The labeled cases as a directory that `sources.listed` reads; images that are there already are not fetched.

    Raises: StoreDenied, StoreUnavailable; BadSettings for a bucket without cases.
    """
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    directory.mkdir(parents=True, exist_ok=True)
    with closing(_client(bucket)) as client:
        keys = list(_keys(client, bucket.name))
        if not keys:
            raise BadSettings(f"no cases in s3://{bucket.name}/{CASES}; name the labeling bucket alone: s3://bucket")
        progress = Progress("fetching cases", len(keys))
        for done, key in enumerate(keys, start=1):
            brought = _case(client, bucket.name, key, directory)
            if isinstance(brought, LeftOut):
                left_out.append(brought)
            else:
                entries.append(brought)
            progress.show(done)
    (directory / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    tuples.write_left_out(directory, left_out)
    return directory


def _case(client: "S3Client", bucket: str, key: str, directory: Path) -> Entry | LeftOut:
    try:
        case = LabelCase.model_validate_json(_read(client, bucket, key, MAX_CASE_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        return LeftOut(key, UNREADABLE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except ImageMissing as error:
        return LeftOut(key, UNREADABLE, error.detail)
    if case.state != "labeled" or case.label is None:
        return LeftOut(key, PENDING)
    file = f"{case.case_id}.png"
    if Path(file).name != file:
        return LeftOut(key, UNREADABLE, "case_id is no name for a file")
    try:
        _fetch(client, bucket, case.image.object_key, directory / file)
    except ImageMissing as error:
        return LeftOut(key, MISSING, error.detail)
    said = case.label.explanation
    return Entry(
        file=file,
        label=case.label.verdict,
        boxes=case.label.boxes,
        explanations=Explanations(scan=said, check=said) if said else None,
        source=case.verdict_event.source,
    )


def _keys(client: "S3Client", bucket: str) -> Iterator[str]:
    with _translated(f"bucket {bucket}"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=CASES):
            yield from (found["Key"] for found in page.get("Contents", []))


def _fetch(client: "S3Client", bucket: str, key: str, path: Path) -> None:
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(_read(client, bucket, key, MAX_IMAGE_BYTES))
        unfinished.replace(path)


def _read(client: "S3Client", bucket: str, key: str, max_bytes: int) -> bytes:
    place = f"object {key} of bucket {bucket}"
    with _translated(place), closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
        data = body.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ImageMissing(f"{place} has more than {max_bytes:,} bytes")
    return data


def _client(bucket: LabelingBucket) -> "S3Client":
    config = Config(
        s3={"addressing_style": "path" if bucket.endpoint_url else "auto"},
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=TIMEOUT_S,
        read_timeout=TIMEOUT_S,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session()
    return session.client("s3", region_name=bucket.region, endpoint_url=bucket.endpoint_url or None, config=config)


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Foreign exceptions as ours."""
    try:
        yield
    except NoCredentialsError as error:
        raise StoreDenied("no S3 credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        kind = ImageMissing if code in GONE else StoreUnavailable
        raise kind(f"{place}: S3 answers {code or 'an error without a code'}") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreUnavailable(f"{place}: S3 does not answer ({type(error).__name__})") from error
