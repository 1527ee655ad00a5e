import json
from datetime import UTC, date, datetime

from pipeline.verdict import Verdict
from pipeline.wire.labels import (
    LabelCase,
    LabelEvent,
    LabelVerdict,
    build_case_key,
    build_label_id,
    build_label_key,
    build_mark_key,
    build_tombstone_key,
)
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict


def test_a_label_case_carries_its_whole_verdict() -> None:
    event = build_verdict()
    case = build_case(event)
    wire = json.loads(case.model_dump_json())
    assert (wire["state"], wire["label"], wire["schema_version"]) == ("pending", None, 1)
    assert wire["verdict_event"] == json.loads(event.model_dump_json())
    assert LabelCase.model_validate_json(case.model_dump_json()) == case
    del wire["label"]  # as it was written before cases had labels
    assert LabelCase.model_validate(wire) == case


def test_a_label_is_read_as_it_was_written_and_new_fields_are_ignored() -> None:
    label = build_label(verdict=LabelVerdict.UNSURE, boxes=[(1, 2, 3, 4)])
    wire = json.loads(label.model_dump_json())
    assert (wire["boxes"], wire["created_at"]) == ([[1, 2, 3, 4]], "2026-01-01T00:00:00.000Z")
    assert LabelEvent.model_validate(wire | {"mood": "good"}) == label
    assert json.loads(build_label(boxes=None).model_dump_json())["boxes"] is None, "nobody was asked to draw"


def test_unsure_is_no_verdict() -> None:
    assert [verdict.decided for verdict in LabelVerdict] == [Verdict.REAL, Verdict.GENERATED, None]


def test_keys_of_the_bucket() -> None:
    assert build_case_key("v", date(2026, 1, 2)) == "cases/2026/01/02/v.json"
    assert build_case_key("v", datetime(2026, 1, 2, 23, tzinfo=UTC)) == "cases/2026/01/02/v.json"
    assert build_label_key("case", "label") == "labels/case/label.json"
    assert build_tombstone_key("a" * 64) == f"deleted/{'a' * 64}.json"
    assert build_mark_key("pull") == "marks/pull.json"


def test_the_same_version_of_a_label_has_the_same_id() -> None:
    first = build_label_id("case", "annotator", "2026-01-01T00:00:00Z")
    assert build_label_id("case", "annotator", "2026-01-01T00:00:00Z") == first
    assert len({first, build_label_id("case", "annotator", "later"), build_label_id("case", "other", "later")}) == 3
