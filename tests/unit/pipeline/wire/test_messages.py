import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.checkpoint import Calibration, Checkpoint, CheckpointCard, Scaling
from pipeline.confidence import logit
from pipeline.verdict import BoundingBox, Crop, GlobalScan, Inspection, LocalCheck, ModelImage, Status, Verdict
from pipeline.wire.messages import (
    JudgedImage,
    ModelRef,
    RecordRef,
    VerdictEvent,
    build_verdict_event,
    build_verdict_id,
)

ZOOMED, IDLE = BoundingBox(96, 40, 210, 150), BoundingBox(0, 0, 5, 5)
CROP = Crop(ZOOMED, ModelImage(Image.new("RGB", (28, 28)), "c" * 64))
SCAN = GlobalScan(Verdict.REAL, 0.41, (ZOOMED, IDLE), "first look")
CHECK = LocalCheck(Verdict.GENERATED, 0.9, "second look", truncated=True)
WHOLE = Inspection(SCAN, (CROP,), CHECK)
CALIBRATED = CheckpointCard(
    calibration=Calibration(temperature=2.0, per_source={"web": Scaling(bias=1.0)}), uncertain_between=(0.7, 0.8)
)


def build_event(inspection: Inspection = WHOLE, card: CheckpointCard | None = None, **other: Any) -> VerdictEvent:
    image = JudgedImage(
        bucket="photos",
        key="a/ä.png",
        etag="e",
        version_id=None,
        sha256="0" * 64,
        width_px=512,
        height_px=512,
        format="png",
        frames=1,
        bytes=123,
        repaired=False,
        frame=0,
    )
    fields: dict[str, Any] = {
        "model": ModelRef(name="m", revision="sha256:1", prompt_version="1", prompt_sha256="p", engine="e 1"),
        "event_id": "e1",
        "record": RecordRef(topic="zoomin.images", partition=0, offset=42, timestamp_ms=0),
        "image": image,
        "source": None,
        "attributes": {"a": "b"},
        "timing_s": {"scan": 0.123456},
        "worker": "w",
        "decided_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    checkpoint = Checkpoint(Path("m"), card or CheckpointCard(), "sha256:1")
    return build_verdict_event(inspection, checkpoint, **(fields | other))


def test_a_judgement_says_what_was_seen_and_concluded() -> None:
    event = build_event()
    assert (event.verdict, event.status, event.corrected) == (Verdict.GENERATED, Status.COMPLETE, True)
    assert (event.p_generated, event.p_generated_raw, event.confidence, event.uncertain) == (0.9, 0.9, 0.9, False)
    assert (event.scan.verdict, event.scan.p_generated, event.scan.explanation) == (Verdict.REAL, 0.41, "first look")
    assert [(r.box, r.zoomed, r.crop_sha256) for r in event.scan.regions] == [
        (ZOOMED.corners, True, "c" * 64),
        (IDLE.corners, False, None),
    ]
    assert event.check
    assert (event.check.verdict, event.check.explanation, event.check.truncated) == (
        Verdict.GENERATED,
        "second look",
        True,
    )


def test_confidence_is_the_probability_of_the_chosen_verdict() -> None:
    real = build_event(replace(WHOLE, check=LocalCheck(Verdict.REAL, 0.2, "why")))
    assert (real.p_generated, real.confidence, real.corrected) == (0.2, 0.8, False)


def test_a_degraded_judgement_stands_on_the_scan() -> None:
    event = build_event(replace(WHOLE, check=None))
    assert (event.verdict, event.status, event.check) == (Verdict.REAL, Status.DEGRADED, None)
    assert (event.p_generated, event.confidence) == (0.41, pytest.approx(0.59))


def test_probabilities_are_corrected_as_the_card_says_and_the_raw_one_stays() -> None:
    event = build_event(card=CALIBRATED)
    assert event.p_generated == event.confidence == pytest.approx(0.75)
    assert (event.p_generated_raw, event.uncertain) == (0.9, True)
    assert event.check
    assert event.check.p_generated == event.p_generated
    assert event.scan.p_generated == 0.41, "the calibration of Query 2 says nothing about Query 1"
    assert (
        build_event(card=CALIBRATED, source="web").p_generated == CALIBRATED.decide_check(0.9, "web").p_generated > 0.9
    )


SCAN_CALIBRATED = CALIBRATED.model_copy(update={"scan_calibration": Scaling(bias=1.0)})


def test_the_scan_s_probability_has_its_own_calibration_also_where_it_decides() -> None:
    assert build_event(card=SCAN_CALIBRATED).scan.p_generated == pytest.approx(0.654, abs=0.001)
    degraded = build_event(replace(WHOLE, check=None), card=SCAN_CALIBRATED)
    assert degraded.p_generated == degraded.scan.p_generated == degraded.confidence
    assert (degraded.p_generated_raw, degraded.verdict) == (0.41, Verdict.GENERATED)
    assert (degraded.scan.verdict, degraded.overruled, degraded.corrected) == (Verdict.REAL, True, False)


@pytest.mark.parametrize(("threshold", "verdict"), [(0.5, Verdict.REAL), (0.4, Verdict.GENERATED)])
def test_a_verdict_follows_its_probability_and_the_trail_keeps_the_model_s_words(
    threshold: float, verdict: Verdict
) -> None:
    card = CheckpointCard(calibration=Calibration(bias=logit(0.47) - logit(0.9)), threshold=threshold)
    event = build_event(card=card)
    assert (event.verdict, event.p_generated) == (verdict, pytest.approx(0.47))
    assert event.confidence == pytest.approx(0.53 if verdict is Verdict.REAL else 0.47)
    assert event.check
    assert (event.scan.verdict, event.check.verdict, event.corrected) == (Verdict.REAL, Verdict.GENERATED, True)
    assert event.overruled is (verdict is Verdict.REAL)


def test_an_old_verdict_that_contradicts_its_probability_is_read_as_it_is() -> None:
    wire = json.loads(build_event().model_dump_json()) | {"p_generated": 0.47, "confidence": 0.47}
    event = VerdictEvent.model_validate_json(json.dumps(wire))
    assert (event.verdict, event.p_generated, event.overruled) == (Verdict.GENERATED, 0.47, False)
    assert json.loads(event.model_dump_json()) == wire


def test_verdict_id_names_one_judgement() -> None:
    first = build_event()
    assert (
        first.verdict_id
        == build_event(worker="another", decided_at=None).verdict_id
        == build_verdict_id("e1", "sha256:1", "1")
    )
    assert uuid.UUID(first.verdict_id).version == 5
    others = {
        build_verdict_id("e2", "sha256:1", "1"),
        build_verdict_id("e1", "sha256:2", "1"),
        build_verdict_id("e1", "sha256:1", "2"),
    }
    assert len(others | {first.verdict_id}) == 4


def test_on_the_wire_every_field_is_there() -> None:
    wire = json.loads(build_event(replace(WHOLE, check=None)).model_dump_json())
    assert wire["check"] is None
    assert wire["source"] is None
    assert wire["image"]["version_id"] is None
    assert wire["scan"]["regions"][0]["box"] == [96, 40, 210, 150]
    assert wire["timing_s"] == {"scan": 0.1235}
    assert wire["decided_at"] == "2026-01-01T00:00:00.000Z"
    assert wire["schema_version"] == 1


def test_a_reader_ignores_fields_it_does_not_know() -> None:
    event = build_event()
    wire = json.loads(event.model_dump_json())
    later = {**wire, "new": 1, "image": {**wire["image"], "new": 1}}
    assert VerdictEvent.model_validate_json(json.dumps(later)) == event


def test_a_verdict_from_before_repaired_and_frame_is_read() -> None:
    wire = json.loads(build_event().model_dump_json())
    del wire["image"]["repaired"], wire["image"]["frame"]
    image = VerdictEvent.model_validate_json(json.dumps(wire)).image
    assert (image.repaired, image.frame) == (None, None)
    written = json.loads(image.model_dump_json())
    assert (written["repaired"], written["frame"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "remarks"),
    [
        ({}, ()),
        ({"repaired": True}, ("repaired",)),
        ({"frames": 8, "frame": 2}, ("frame 3 of 8",)),
        ({"frames": 8, "frame": 0, "repaired": True}, ("frame 1 of 8", "repaired")),
        ({"frames": 8, "frame": None, "repaired": None}, ("frame 1 of 8",)),
        ({"frames": 2, "format": "tiff"}, ("page 1 of 2",)),
    ],
)
def test_remarks_tell_what_is_unusual_about_an_image(fields: dict[str, Any], remarks: tuple[str, ...]) -> None:
    assert build_event().image.model_copy(update=fields).remarks == remarks


def test_the_contracts_example_is_read() -> None:
    example = {
        "schema_version": 1,
        "verdict_id": "...",
        "event_id": "...",
        "record": {"topic": "...", "partition": 0, "offset": 42, "timestamp_ms": 0},
        "image": build_event().image.model_dump(),
        "source": "web",
        "attributes": {},
        "verdict": "generated",
        "p_generated": 0.97,
        "p_generated_raw": 0.99,
        "confidence": 0.97,
        "uncertain": False,
        "status": "complete",
        "corrected": True,
        "scan": {
            "verdict": "real",
            "p_generated": 0.41,
            "explanation": "...",
            "truncated": False,
            "regions": [{"box": [96, 40, 210, 150], "zoomed": True, "crop_sha256": "..."}],
        },
        "check": {"verdict": "generated", "p_generated": 0.97, "explanation": "...", "truncated": False},
        "model": {
            "name": "zoomin-tiny",
            "revision": "sha256:...",
            "prompt_version": "1",
            "prompt_sha256": "...",
            "engine": "vllm 0.31.0",
        },
        "timing_s": {"queued": 0.1, "fetch": 0.01, "decode": 0.02, "scan": 0.4, "check": 0.3, "total": 0.9},
        "worker": "...",
        "decided_at": "2026-01-01T00:00:00.000Z",
    }
    event = VerdictEvent.model_validate_json(json.dumps(example))
    assert json.loads(event.model_dump_json()) == json.loads(json.dumps(example))
