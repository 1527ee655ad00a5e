import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    SSLError,
)
from urllib3.exceptions import ProtocolError

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
from pipeline.storage.errors import require_access, translate_errors

# What they answer to a GET of an object with SSE-C.
OF_AWS = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve "
    "the object."
)
OF_SEAWEEDFS = "Requests specifying Server Side Encryption with Customer provided keys must provide the customer key."
SECRET = "https://s3.example/uploads/a.png?X-Amz-Signature=planted"


def refusal(code: str, message: str = SECRET) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (refusal("NoSuchKey"), ImageMissing),
        (refusal("MethodNotAllowed"), ImageMissing),
        (refusal("PreconditionFailed"), ImageChanged),
        (refusal("AccessDenied"), AccessDenied),
        (refusal("InvalidObjectState"), ImageArchived),
        (refusal("InvalidArgument"), ImageMissing),
        (refusal("InvalidRequest", OF_AWS), ImageEncrypted),
        (refusal("InvalidArgument", OF_SEAWEEDFS), ImageEncrypted),
        (refusal("KMS.DisabledException"), AccessDenied),
        (refusal("KMS.NotFoundException"), AccessDenied),
        (refusal("KMS.KMSInvalidStateException"), AccessDenied),
        (refusal("KMS.ThrottlingException"), StoreUnavailable),
        (refusal("KMS.DependencyTimeoutException"), StoreUnavailable),
        (refusal("SlowDown"), StoreUnavailable),
        (refusal("ExpiredToken"), StoreUnavailable),
        (refusal("a code of tomorrow"), StoreUnavailable),
        (ClientError({}, "GetObject"), StoreUnavailable),
        (ParamValidationError(report=SECRET), ImageMissing),
        (EndpointConnectionError(endpoint_url=SECRET), StoreUnavailable),
        (BotoCoreError(), StoreUnavailable),
        (ProtocolError(SECRET), StoreUnavailable),
        (ConnectionResetError(SECRET), StoreUnavailable),
    ],
)
def test_each_refusal_is_one_of_ours_names_the_place_and_quotes_no_url(
    foreign: Exception, ours: type[ZoomInError]
) -> None:
    with pytest.raises(ours) as caught, translate_errors("bucket uploads"):
        raise foreign
    assert type(caught.value) is ours
    assert caught.value.detail.startswith("bucket uploads: ")
    assert "planted" not in caught.value.detail


def test_our_own_errors_pass_as_they_are() -> None:
    own = ImageChanged("the event says another etag")
    with pytest.raises(ImageChanged) as caught, translate_errors("bucket uploads"):
        raise own
    assert caught.value is own


@pytest.mark.parametrize(
    ("foreign", "advice"),
    [
        (NoCredentialsError(), "set AWS_ACCESS_KEY_ID"),
        (refusal("InvalidAccessKeyId"), "refuses our credentials"),
        (SSLError(endpoint_url=SECRET, error="self-signed"), "AWS_CA_BUNDLE"),
    ],
)
def test_a_start_says_what_the_operator_has_to_mend(foreign: Exception, advice: str) -> None:
    with pytest.raises(StoreDenied, match=advice) as caught, translate_errors("bucket uploads"), require_access():
        raise foreign
    assert "planted" not in caught.value.detail


def test_other_refusals_end_no_start() -> None:
    with pytest.raises(AccessDenied), translate_errors("bucket uploads"), require_access():
        raise refusal("AccessDenied")
