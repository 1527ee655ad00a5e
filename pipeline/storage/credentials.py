"""The credentials of AWS that boto3's own chain finds, for logins other than to S3."""

import boto3.session
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import BadSettings


def check_aws_login() -> None:
    """Check that boto3's chain finds credentials and a region.

    Raises: BadSettings.
    """
    try:
        session = boto3.session.Session()
        credentials, region = session.get_credentials(), session.region_name
        if credentials is not None:
            credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:  # ClientError: refused by STS, or too many requests to it
        raise BadSettings(f"the credentials of AWS cannot be read: {error}; check AWS_PROFILE and the AWS_*") from error
    if credentials is None:
        raise BadSettings("no credentials of AWS are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role")
    if not region:
        raise BadSettings("no region of AWS is found: set AWS_DEFAULT_REGION")
