import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from pipeline.errors import MalformedEvent
from pipeline.wire.labels import LabelVerdict
from pipeline.wire.reviews import ReviewReason, parse_deletion, parse_review

REVIEW: Mapping[str, object] = {
    "schema_version": 1,
    "event_id": "e-1",
    "verdict": "real",
    "reviewer": "r-7",
    "reason": "appeal",
    "time": "2026-01-01T01:00:00+01:00",
}
DIGEST = "a" * 64


def encode(**fields: object) -> bytes:
    return json.dumps({**REVIEW, **fields}).encode()


def test_a_review_is_read_with_and_without_what_is_optional() -> None:
    review = parse_review(encode())
    assert (review.verdict, review.reason) == (LabelVerdict.REAL, ReviewReason.APPEAL)
    assert (review.boxes, review.explanation) == (None, None)
    assert review.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_review(encode(boxes=[[0, 0, 3, 4]])).boxes == [(0, 0, 3, 4)]
    assert parse_review(encode(boxes=[])).boxes == [], "the reviewer looked, and there is none"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"verdict": "fake"}, "verdict"),
        ({"boxes": [[5, 0, 3, 4]]}, "x1 < x2"),
        ({"boxes": [[0, 0, 1, 1]] * 101}, "boxes"),
        ({"event_id": ""}, "event_id"),
        ({"time": "2026-01-01T00:00:00"}, "time"),
        ({"time": "1970-01-01T00:00:00Z"}, "years 2000"),
        ({"time": "9999-12-31T23:59:59-12:00"}, "years 2000"),
        ({"schema_version": 2}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(fields: Mapping[str, object], problem: str) -> None:
    with pytest.raises(MalformedEvent, match=problem):
        parse_review(encode(**fields))


@pytest.mark.parametrize("value", [None, b"", b"[]", b"nonsense", b'{"event_id": 1, "event_id": 2}'])
def test_what_is_no_object_is_refused(value: bytes | None) -> None:
    with pytest.raises(MalformedEvent):
        parse_review(value)
    with pytest.raises(MalformedEvent):
        parse_deletion(value)


@pytest.mark.parametrize("name", [{"event_id": "e"}, {"url": "s3://uploads/a.jpg"}, {"sha256": DIGEST}])
def test_a_deletion_names_an_image_in_one_of_three_ways(name: dict[str, str]) -> None:
    event = parse_deletion(json.dumps({**name, "time": "2026-01-01T00:00:00Z"}).encode())
    assert event.model_dump(include=set(name)) == name


def test_a_digest_in_capitals_is_the_same_digest() -> None:
    event = parse_deletion(json.dumps({"sha256": DIGEST.upper(), "time": "2026-01-01T00:00:00Z"}).encode())
    assert event.sha256 == DIGEST


def test_a_deletion_of_nothing_and_one_of_no_digest_are_refused() -> None:
    with pytest.raises(MalformedEvent, match="at least one of event_id, url and sha256"):
        parse_deletion(b'{"time": "2026-01-01T00:00:00Z"}')
    with pytest.raises(MalformedEvent, match="sha256"):
        parse_deletion(b'{"sha256": "abc", "time": "2026-01-01T00:00:00Z"}')
