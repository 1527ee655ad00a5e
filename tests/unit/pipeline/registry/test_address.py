from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress, parse_address, parse_model_source

REVISION = "sha256:" + "0a" * 32


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_model_alone_means_its_champion(slash: str) -> None:
    assert parse_address(f"s3://weights/models/zoomin-7b{slash}") == ModelAddress("weights", "zoomin-7b")


def test_a_pinned_revision_is_read_back_as_it_is_written() -> None:
    address = ModelAddress("weights", "zoomin-7b", REVISION)
    assert str(address) == f"s3://weights/models/zoomin-7b/revisions/sha256-{'0a' * 32}"
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "models/zoomin-tiny",
        "s3://weights",
        "s3://weights/zoomin-7b",
        "s3://weights/models/",
        "s3://weights/models/../x",
        "s3://weights/models/Seven",
        "s3://weights/models/a/revisions/latest",
        f"s3://weights/models/a/revisions/{REVISION}",
        "https://weights/models/a",
    ],
)
def test_anything_else_is_refused_with_the_two_forms(text: str) -> None:
    with pytest.raises(BadSettings, match="s3://bucket/models/NAME is the champion"):
        parse_address(text)


def test_a_name_without_a_scheme_is_a_directory() -> None:
    assert parse_model_source("models/zoomin-tiny") == Path("models/zoomin-tiny")
    assert parse_model_source("s3://weights/models/a") == ModelAddress("weights", "a")
    with pytest.raises(BadSettings):
        parse_model_source("s3://weights/a")
