"""Whole buckets: require that some are named, list what `zoomin submit` announces, create what the demo needs."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

from pipeline.errors import BadSettings
from pipeline.storage import buckets
from pipeline.storage.buckets import ListedObject
from pipeline.storage.errors import translate_errors
from worker.common.sections import StoreSettings
from worker.storage.client import open_store_client

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import CreateBucketRequestTypeDef


def require_buckets(settings: StoreSettings) -> None:
    """Raise BadSettings if no bucket may be read: every event would be dead-lettered as `bucket_forbidden`."""
    if not settings.buckets:
        raise BadSettings("ZOOMIN_STORE__BUCKETS is empty: name the buckets whose images are judged, comma-separated")


def list_bucket(settings: StoreSettings, bucket: str, prefix: str, *, after: str = "") -> Iterator[ListedObject]:
    """Yield the objects below `prefix` in the order of their keys, only those behind the key `after`.

    Raises: StoreDenied, AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
    """
    with closing(open_store_client(settings)) as client:
        yield from buckets.list_objects(client, bucket, prefix, after=after)


def create_bucket(settings: StoreSettings, bucket: str) -> None:
    """Create the bucket unless it exists already and we may use it. Raises: AccessDenied, StoreUnavailable."""
    request: CreateBucketRequestTypeDef = {"Bucket": bucket}
    if settings.endpoint_url is None and settings.region != "us-east-1":  # AWS refuses its default region by name
        region = cast("BucketLocationConstraintType", settings.region)
        request["CreateBucketConfiguration"] = {"LocationConstraint": region}
    with closing(open_store_client(settings)) as client, translate_errors(f"bucket {bucket}"):
        try:
            client.create_bucket(**request)
        except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.head_bucket(Bucket=bucket)
