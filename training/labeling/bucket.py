"""Download of the labeled cases of a labeling bucket: a manifest with its images, one case at a time."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.errors import BadSettings, ImageMissing
from pipeline.storage.buckets import list_objects
from pipeline.storage.client import S3Connection, open_client
from pipeline.storage.errors import translate_errors
from pipeline.wire.messages import LabelCase
from training.common.progress import Progress
from training.dataset import manifest
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.left_out import LeftOut, write_left_out

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CASES = "cases/"
PENDING, UNREADABLE, MISSING = "case_pending", "case_unreadable", "image_missing"
MAX_CASE_BYTES = 4_000_000
MAX_IMAGE_BYTES = 1_000_000_000
ATTEMPTS = 5
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class LabelingBucket:
    """`endpoint_url` is None for AWS itself; credentials come by boto3's own chain."""

    name: str
    endpoint_url: str | None
    region: str

    @property
    def connection(self) -> S3Connection:
        return S3Connection(
            endpoint_url=self.endpoint_url,
            region=self.region,
            connections=1,
            connect_timeout_s=TIMEOUT_S,
            read_timeout_s=TIMEOUT_S,
            attempts=ATTEMPTS,
        )


def download_cases(bucket: LabelingBucket, directory: Path) -> Path:
    """Download the labeled cases into a directory that training reads as a set; keep images that are there already.

    Cases that cannot be used are written beside it with their reasons.

    Raises: BadSettings for a bucket without cases, StoreDenied, AccessDenied, StoreUnavailable,
        ImageMissing (no such bucket).
    """
    entries: list[LabeledImage] = []
    left_out: list[LeftOut] = []
    directory.mkdir(parents=True, exist_ok=True)
    with closing(open_client(bucket.connection)) as client:
        keys = [found.key for found in list_objects(client, bucket.name, CASES)]
        if not keys:
            raise BadSettings(f"no cases in s3://{bucket.name}/{CASES}; name the labeling bucket alone: s3://bucket")
        progress = Progress("fetching cases", len(keys))
        for done, key in enumerate(keys, start=1):
            result = _download_case(client, bucket.name, key, directory)
            if isinstance(result, LeftOut):
                left_out.append(result)
            else:
                entries.append(result)
            progress.show(done)
    manifest.write_manifest(directory, entries)
    write_left_out(directory, left_out)
    return directory


def _download_case(client: "S3Client", bucket: str, key: str, directory: Path) -> LabeledImage | LeftOut:
    try:
        case = LabelCase.model_validate_json(_read_object(client, bucket, key, MAX_CASE_BYTES))
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
        _download_image(client, bucket, case.image.object_key, directory / file)
    except ImageMissing as error:
        return LeftOut(key, MISSING, error.detail)
    explanation = case.label.explanation
    return LabeledImage(
        file=file,
        label=case.label.verdict,
        boxes=case.label.boxes,
        explanations=Explanations(scan=explanation, check=explanation) if explanation else None,
        source=case.verdict_event.source,
    )


def _download_image(client: "S3Client", bucket: str, key: str, path: Path) -> None:
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(_read_object(client, bucket, key, MAX_IMAGE_BYTES))
        unfinished.replace(path)


def _read_object(client: "S3Client", bucket: str, key: str, max_bytes: int) -> bytes:
    place = f"object {key} of bucket {bucket}"
    with translate_errors(place), closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
        data = body.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ImageMissing(f"{place} has more than {max_bytes:,} bytes")
    return data
