"""A client for the S3 of training, as the settings say."""

from typing import TYPE_CHECKING

from pipeline.storage.client import S3Connection, open_client
from training.settings import TrainSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTIONS = 16
ATTEMPTS = 5
TIMEOUT_S = 30.0


def open_s3(settings: TrainSettings) -> "S3Client":
    """Open a client, which its user closes; credentials come by boto3's own chain."""
    return open_client(
        S3Connection(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            connections=CONNECTIONS,
            connect_timeout_s=TIMEOUT_S,
            read_timeout_s=TIMEOUT_S,
            attempts=ATTEMPTS,
        )
    )
