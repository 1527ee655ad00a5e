from pathlib import Path

from pipeline.verdict import Verdict
from pipeline.wire.record import RawRecord
from tests.support.verdicts import build_verdict
from worker.demo.scenes import Scene, assign_answer


def build_scene(event_id="demo-1", path=Path("scene-1.png"), truth=Verdict.GENERATED):
    return Scene(path, truth, event_id)


def build_verdict_record(event_id):
    value = build_verdict(event_id=event_id).model_dump_json().encode()
    return RawRecord("zoomin.demo.verdicts", 0, 0, 0, b"k", value, (("zoomin-event-id", event_id.encode()),))


def build_letter_record(event_id):
    headers = {"event-id": event_id, "dlt-topic": "t", "dlt-code": "image_missing", "dlt-detail": "it is gone"}
    named = tuple((f"zoomin-{name}", value.encode()) for name, value in headers.items())
    return RawRecord("zoomin.demo.images.dlt", 0, 0, 0, b"k", b"v", named)


def test_a_verdict_answers_its_scene():
    scene = build_scene()
    assert assign_answer(build_verdict_record("demo-1"), {"demo-1": scene}) is scene
    assert scene.event is not None
    assert scene.event.event_id == "demo-1"


def test_a_dead_letter_answers_too():
    scene = build_scene()
    assert assign_answer(build_letter_record("demo-1"), {"demo-1": scene}) is scene
    assert scene.event is None
    assert "image_missing" in scene.problem
    assert "it is gone" in scene.problem


def test_answers_to_others_events_are_left_alone():
    assert assign_answer(build_verdict_record("someone-else"), {"demo-1": build_scene()}) is None
    assert assign_answer(RawRecord("t", 0, 0, 0, None, None), {"demo-1": build_scene()}) is None
