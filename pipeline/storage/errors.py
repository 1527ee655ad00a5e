"""Translation of S3's refusals into our errors: no exception of botocore or urllib3 passes this room."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from pipeline.errors import (
    AccessDenied,
    ImageArchived,
    ImageChanged,
    ImageEncrypted,
    ImageMissing,
    StoreDenied,
    StoreUnavailable,
    ZoomInError,
)

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
        "InvalidArgument",  # a version id that this S3 never issued
        *("InvalidBucketName", "InvalidURI", "KeyTooLongError"),
        "InvalidRequest",  # SeaweedFS's code for a key that it does not accept
    }
)
CHANGED = frozenset({"PreconditionFailed", "412"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403"})
ARCHIVED = frozenset({"InvalidObjectState"})
KEY_SERVICE = "KMS."
KEY_SERVICE_BUSY = re.compile(r"Throttl|Limit|Internal|Timeout|KeyUnavailable")
"""in a code of the key service: it will answer later; its other codes are about the key of the object"""
SENDERS_KEY = re.compile(r"server.side encryption|customer.(provided )?(encryption )?key|SSE-C", re.IGNORECASE)
"""in the message of InvalidRequest or InvalidArgument, which both have other meanings, too"""


@contextmanager
def translate_errors(place: str) -> Iterator[None]:
    """Raise our error for each exception of the S3 client; its own text may hold URLs with signatures and is dropped.

    Raises: ImageMissing, ImageChanged, ImageArchived, ImageEncrypted, AccessDenied, StoreUnavailable.
    """
    try:
        yield
    except ClientError as error:
        code = read_error_code(error)
        message = error.response.get("Error", {}).get("Message") or ""
        raise _choose_error(code, message)(f"{place}: S3 answers {code}") from error
    except ParamValidationError as error:
        raise ImageMissing(f"{place}: no such name is possible in S3") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreUnavailable(f"{place}: S3 does not answer ({type(error).__name__})") from error


@contextmanager
def require_access() -> Iterator[None]:
    """Raise StoreDenied where only an operator can help: bad credentials or an unknown certificate; others pass.

    For the start of a process: later the same refusals may be an outage that ends by itself.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise StoreDenied("no S3 credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except ClientError as error:
        code = read_error_code(error)
        if code in CREDENTIALS_REFUSED:
            raise StoreDenied(f"S3 refuses our credentials or their region: {code}") from error
        raise
    except SSLError as error:
        raise StoreDenied(
            "the certificate of S3 is not accepted: name the file of the CA that signed it in AWS_CA_BUNDLE "
            f"({error.kwargs.get('error')})"
        ) from error


def read_error_code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code") or "an error without a code"


def _choose_error(code: str, message: str) -> type[ZoomInError]:
    if code in MISSING:
        return ImageEncrypted if SENDERS_KEY.search(message) else ImageMissing
    if code in CHANGED:
        return ImageChanged
    if code in ARCHIVED:
        return ImageArchived
    if code.startswith(KEY_SERVICE):
        return StoreUnavailable if KEY_SERVICE_BUSY.search(code) else AccessDenied
    return AccessDenied if code in DENIED else StoreUnavailable
