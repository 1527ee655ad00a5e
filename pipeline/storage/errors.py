"""What S3 refuses, in our own errors: its codes by what they mean. No exception of botocore or urllib3 goes further."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from urllib3.exceptions import HTTPError

from pipeline.errors import AccessDenied, ImageChanged, ImageMissing, StoreUnavailable, ZoomInError

CREDENTIALS_REFUSED = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
        *("RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "NotSignedUp", "AccountProblem", "InvalidSecurity"),
    }
)
MISSING = frozenset(
    {
        *("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "NotFound", "404"),
        "MethodNotAllowed",  # the version is a delete marker
        "InvalidArgument",  # a version id that this S3 never gave
        *("InvalidBucketName", "InvalidURI", "KeyTooLongError"),
        "InvalidRequest",  # SeaweedFS's word for a key that it does not take
    }
)
CHANGED = frozenset({"PreconditionFailed", "412"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403", "InvalidObjectState"})


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Foreign exceptions as ours; their own texts hold URLs with queries and go no further."""
    try:
        yield
    except ClientError as error:
        raise _error_of(code_of(error))(f"{place}: S3 answers {code_of(error)}") from error
    except ParamValidationError as error:
        raise ImageMissing(f"{place}: no such name is possible in S3") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreUnavailable(f"{place}: S3 does not answer ({type(error).__name__})") from error


def _error_of(code: str) -> type[ZoomInError]:
    if code in MISSING:
        return ImageMissing
    if code in CHANGED:
        return ImageChanged
    return AccessDenied if code in DENIED else StoreUnavailable


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code") or "an error without a code"
