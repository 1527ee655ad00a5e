"""Kafka and S3 behind TLS, one of each for the tests that ask for them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import forget_data, present
from tests.support.servers.certificates import Authority

if TYPE_CHECKING:  # the client warns when it is imported, which pytest only hears once its settings are read
    from tests.support.servers.secured import SecuredKafka, SecuredS3


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def secured_kafka(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SecuredKafka]":
    from tests.support.servers.secured import SecuredKafka

    directory = tmp_path_factory.mktemp("secured-kafka")
    secured = present(lambda: SecuredKafka(directory, authority=authority).start())
    yield secured
    secured.stop()
    forget_data(directory)


@pytest.fixture(scope="session")
def secured_s3(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SecuredS3]":
    from tests.support.servers.secured import SecuredS3

    directory = tmp_path_factory.mktemp("secured-s3")
    secured = present(lambda: SecuredS3(directory, authority=authority).start())
    yield secured
    secured.stop()
    forget_data(directory)
