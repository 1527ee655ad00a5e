from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from pipeline.errors import AccessDenied, StoreDenied
from pipeline.storage.buckets import ListedObject, find_bucket_problem, list_objects
from pipeline.storage.client import S3Connection, open_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTION = S3Connection(
    endpoint_url=None, region="us-east-1", connections=1, connect_timeout_s=1, read_timeout_s=1, attempts=1
)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> "Iterator[S3Client]":
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = open_client(CONNECTION)
    yield client
    client.close()


def page(*keys: str, more: bool = False) -> dict[str, Any]:
    return {
        "Contents": [{"Key": key, "ETag": f'"etag of {key}"'} for key in keys],
        "IsTruncated": more,
        **({"NextContinuationToken": "next"} if more else {}),
    }


def test_all_pages_are_listed_from_behind_a_key(client: "S3Client") -> None:
    request = {"Bucket": "photos", "Prefix": "in/", "StartAfter": "in/a"}
    with Stubber(client) as s3:
        s3.add_response("list_objects_v2", page("in/b", "in/c", more=True), request)
        s3.add_response("list_objects_v2", page("in/d"), request | {"ContinuationToken": "next"})
        listed = list(list_objects(client, "photos", "in/", after="in/a"))
    assert listed == [ListedObject(f"in/{name}", f"etag of in/{name}") for name in "bcd"]


@pytest.mark.parametrize(("code", "expected"), [("AccessDenied", AccessDenied), ("InvalidAccessKeyId", StoreDenied)])
def test_a_refused_listing_says_whose_fault_it_is(client: "S3Client", code: str, expected: type[Exception]) -> None:
    with Stubber(client) as s3:
        s3.add_client_error("list_objects_v2", code)
        with pytest.raises(expected, match=code):
            list(list_objects(client, "photos", ""))


def test_a_bucket_that_can_be_listed_has_no_problem(client: "S3Client") -> None:
    with Stubber(client) as s3:
        s3.add_response("list_objects_v2", page(), {"Bucket": "photos", "MaxKeys": 1})
        assert find_bucket_problem(client, "photos") is None


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("AccessDenied", "may not be listed (AccessDenied): objects that are missing will look denied"),
        ("NoSuchBucket", "does not exist"),
        ("SlowDown", "S3 answers SlowDown"),
    ],
)
def test_the_problem_of_a_bucket_is_one_sentence(client: "S3Client", code: str, problem: str) -> None:
    with Stubber(client) as s3:
        s3.add_client_error("list_objects_v2", code)
        assert find_bucket_problem(client, "photos") == problem


def test_refused_credentials_are_no_problem_of_one_bucket(client: "S3Client") -> None:
    with Stubber(client) as s3:
        s3.add_client_error("list_objects_v2", "SignatureDoesNotMatch")
        with pytest.raises(StoreDenied, match="SignatureDoesNotMatch"):
            find_bucket_problem(client, "photos")
