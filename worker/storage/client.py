"""The worker's S3 client, by its settings."""

from typing import TYPE_CHECKING

from pipeline.storage.client import S3Connection, open_client
from worker.common.sections import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 10.0
ATTEMPTS = 2
"""the second one hides a connection that died while idle; longer waits are the Retrier's"""


def open_store_client(settings: StoreSettings, connections: int = 1) -> "S3Client":
    return open_client(
        S3Connection(
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            connections=connections,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            read_timeout_s=min(READ_TIMEOUT_S, settings.total_timeout_s),
            attempts=ATTEMPTS,
        )
    )
