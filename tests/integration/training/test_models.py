"""The registry of a model in a real S3, by the command line."""

import json

import pytest

from tests.support.servers.services import S3ForTests
from training.__main__ import main


@pytest.fixture
def address(seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_ENDPOINT_URL", seaweedfs.endpoint_url)
    return f"s3://{seaweedfs.create_bucket('weights')}/models/zoomin-tiny"


def test_a_registry_without_revisions_is_empty(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"champion": None, "revisions": []}
    assert main(["models", "show", address]) == 2
    assert "has no champion yet: promote a revision" in capsys.readouterr().err
