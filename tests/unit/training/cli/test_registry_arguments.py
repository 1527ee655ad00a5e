import argparse
from pathlib import Path

import pytest

from pipeline.registry.address import ModelAddress
from pipeline.verdict import Verdict
from training.cli.registry_arguments import build_text_type, name_user, parse_model, parse_revision, parse_smoke

DIGEST = "0a" * 32


def test_what_is_typed_is_read() -> None:
    assert parse_model("s3://weights/models/zoomin-7b") == ModelAddress("weights", "zoomin-7b")
    assert parse_revision(f"sha256-{DIGEST}") == parse_revision(f"sha256:{DIGEST}") == f"sha256:{DIGEST}"
    assert parse_smoke("generated=a=b.png") == (Verdict.GENERATED, Path("a=b.png"))
    assert build_text_type(9)(" worse ") == "worse"
    user, _, host = name_user().partition("@")
    assert user
    assert host


@pytest.mark.parametrize("text", ["", "  ", "x" * 10])
def test_a_blank_or_long_text_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must have 1 to 9 characters"):
        build_text_type(9)(text)


@pytest.mark.parametrize("text", ["fake.png", "fake=a.png", "real=", "=a.png"])
def test_a_smoke_question_shows_its_form(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write real=FILE or generated=FILE"):
        parse_smoke(text)


@pytest.mark.parametrize("text", ["", "latest", f"sha256-{DIGEST}0", f"sha256:{DIGEST[:12]}", DIGEST])
def test_a_revision_shows_its_form(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="it is written sha256-"):
        parse_revision(text)


def test_an_address_shows_its_form() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="s3://bucket/models/NAME is the champion"):
        parse_model("weights/zoomin-7b")
