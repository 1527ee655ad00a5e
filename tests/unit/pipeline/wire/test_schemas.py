import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError, validate

from pipeline.wire import schemas
from tests.support.paths import ROOT
from tests.unit.pipeline.wire.test_messages import build_event

DIRECTORY = ROOT / schemas.DIRECTORY


def read_schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / name).read_text())
    return found


@pytest.mark.parametrize("name", schemas.build_schemas())
def test_no_schema_is_stale(name: str) -> None:
    assert (DIRECTORY / name).read_text() == schemas.build_schemas()[name], "run `python -m pipeline.wire.schemas`"
    Draft202012Validator.check_schema(read_schema(name))


def test_they_are_written_to_a_new_directory(tmp_path: Path) -> None:
    schemas.write_schemas(tmp_path / "new")
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == schemas.build_schemas()


@pytest.mark.parametrize(
    ("event", "valid"),
    [
        ({"url": "s3://photos/a"}, True),
        ({"url": "s3://photos/a", "schema_version": 1, "etag": None, "attributes": {"a": "b"}}, True),
        ({"id": "e1"}, False),
        ({"url": "s3://photos/a", "other": 1}, False),
        ({"url": "s3://photos/a", "schema_version": 2}, False),
        ({"url": "s3://photos/a", "schema_version": True}, False),
        ({"url": "s3://photos/a", "sha256": "1"}, False),
        ({"url": "s3://photos/a", "attributes": {str(n): "" for n in range(17)}}, False),
    ],
)
def test_the_schema_of_events_says_what_the_parser_does(event: dict[str, object], valid: bool) -> None:
    assert Draft202012Validator(read_schema("image-event.json")).is_valid(event) is valid


def test_a_published_verdict_follows_its_schema_and_misses_nothing() -> None:
    wire = json.loads(build_event().model_dump_json())
    validate(wire, read_schema("verdict-event.json"))
    for field in wire:
        with pytest.raises(ValidationError, match="is a required property"):
            validate({name: value for name, value in wire.items() if name != field}, read_schema("verdict-event.json"))
