"""The credentials of AWS that boto3's own chain finds, for logins other than to our own S3 client."""

from dataclasses import dataclass, field

import boto3.session
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import BadSettings


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """`expire`: the keys are temporary, of a role or a login."""

    access_key: str
    secret_key: str = field(repr=False)
    expire: bool
    region: str | None


def read_access_keys() -> AccessKeys:
    """Read the keys that the chain finds. Raises: BadSettings."""
    try:
        session = boto3.session.Session()
        credentials, region = session.get_credentials(), session.region_name
        frozen = credentials.get_frozen_credentials() if credentials is not None else None
    except (BotoCoreError, ClientError) as error:  # ClientError: refused by STS, or too many requests to it
        raise BadSettings(f"the credentials of AWS cannot be read: {error}; check AWS_PROFILE and the AWS_*") from error
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise BadSettings("no credentials of AWS are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role")
    return AccessKeys(frozen.access_key, frozen.secret_key, expire=bool(frozen.token), region=region)


def check_aws_login() -> None:
    """Check that boto3's chain finds credentials and a region.

    Raises: BadSettings.
    """
    if not read_access_keys().region:
        raise BadSettings("no region of AWS is found: set AWS_DEFAULT_REGION")
