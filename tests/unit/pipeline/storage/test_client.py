from contextlib import closing

import pytest

from pipeline.errors import BadSettings
from pipeline.storage.client import S3Connection, open_client


def connection(endpoint_url: str | None, *, region: str = "eu-west-1") -> S3Connection:
    return S3Connection(
        endpoint_url=endpoint_url,
        region=region,
        connections=3,
        connect_timeout_s=1.5,
        read_timeout_s=2.5,
        attempts=4,
    )


@pytest.mark.parametrize(
    ("endpoint_url", "url", "style"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000", "path"),
        (None, "https://s3.eu-west-1.amazonaws.com", "auto"),
        ("", "https://s3.eu-west-1.amazonaws.com", "auto"),
    ],
)
def test_another_s3_is_addressed_by_path_and_aws_by_its_region(endpoint_url: str | None, url: str, style: str) -> None:
    with closing(open_client(connection(endpoint_url))) as client:
        assert (client.meta.endpoint_url, client.meta.region_name) == (url, "eu-west-1")
        assert client.meta.config.s3["addressing_style"] == style


def test_limits_reach_the_client() -> None:
    with closing(open_client(connection(None))) as client:
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (1.5, 2.5)
        assert (config.max_pool_connections, config.retries["total_max_attempts"]) == (3, 4)


@pytest.mark.parametrize(
    ("profile", "given", "named"),
    [
        ("nobody", connection(None), "nobody"),
        (None, connection("http://"), "http://"),
        (None, connection(None, region="eu west"), "eu west"),
    ],
)
def test_what_cannot_be_a_connection_is_one_sentence(
    profile: str | None, given: S3Connection, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if profile is not None:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(BadSettings, match=named):
        open_client(given)
