import os

import pytest

from pipeline.errors import LocalStackFailed
from tests.conftest import present


def absent() -> None:
    raise LocalStackFailed("no such service here")


def test_an_absent_service_skips_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such service here"):
        present(absent)


def test_an_absent_service_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(LocalStackFailed, match="no such service here"):
        present(absent)


def test_settings_of_whoever_runs_the_tests_do_not_reach_them() -> None:
    inherited = {name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))}
    assert inherited == {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}


@pytest.mark.parametrize("data", [b"1"])
def test_bytes_are_named_by_their_argument_so_that_all_workers_collect_the_same_tests(
    data: bytes, request: pytest.FixtureRequest
) -> None:
    assert request.node.callspec.id == "data"
