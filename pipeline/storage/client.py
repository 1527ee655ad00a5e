"""The S3 client of worker and training; credentials come by boto3's own chain."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from pipeline.errors import BadSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class S3Connection:
    """`endpoint_url` is None for AWS itself; `attempts` counts the first one."""

    endpoint_url: str | None
    region: str
    connections: int
    connect_timeout_s: float
    read_timeout_s: float
    attempts: int


def open_client(connection: S3Connection) -> "S3Client":
    """Build the client; it connects when it is first used.

    Raises: BadSettings for an address or region that cannot be one, and for a profile that does not exist.
    """
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if connection.endpoint_url else "auto"},
        retries={"mode": "standard", "total_max_attempts": connection.attempts},
        max_pool_connections=connection.connections,
        connect_timeout=connection.connect_timeout_s,
        read_timeout=connection.read_timeout_s,
        tcp_keepalive=True,
        user_agent="zoomin",  # botocore builds its own from dozens of parts, twice a request
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.session.Session()
        return session.client(
            "s3", region_name=connection.region, endpoint_url=connection.endpoint_url or None, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise BadSettings(
            f"no S3 client can be built: {error}; check AWS_PROFILE, AWS_CONFIG_FILE, and the S3 address and region"
        ) from error
