from pathlib import Path

import pytest
from PIL import Image

from pipeline.record import RawRecord
from pipeline.verdict import Verdict
from tests.verdicts import verdict_event
from worker.commands.demo import Scene, answer, case_of, results
from worker.report import Summary


def scene(event_id="demo-1", path=Path("scene-1.png"), truth=Verdict.GENERATED):
    return Scene(path, truth, event_id)


def verdict_record(event_id):
    value = verdict_event(event_id=event_id).model_dump_json().encode()
    return RawRecord("zoomin.demo.verdicts", 0, 0, 0, b"k", value, (("zoomin-event-id", event_id.encode()),))


def letter_record(event_id):
    headers = {"event-id": event_id, "dlt-topic": "t", "dlt-code": "image_missing", "dlt-detail": "it is gone"}
    named = tuple((f"zoomin-{name}", value.encode()) for name, value in headers.items())
    return RawRecord("zoomin.demo.images.dlt", 0, 0, 0, b"k", b"v", named)


def test_a_verdict_answers_its_scene():
    one = scene()
    assert answer(verdict_record("demo-1"), {"demo-1": one}) is one
    assert one.event is not None
    assert one.event.event_id == "demo-1"


def test_a_dead_letter_answers_too():
    one = scene()
    assert answer(letter_record("demo-1"), {"demo-1": one}) is one
    assert one.event is None
    assert "image_missing" in one.problem
    assert "it is gone" in one.problem


def test_answers_to_others_events_are_left_alone():
    assert answer(verdict_record("someone-else"), {"demo-1": scene()}) is None
    assert answer(RawRecord("t", 0, 0, 0, None, None), {"demo-1": scene()}) is None


def test_the_summary_for_programs_has_the_contracts_names(tmp_path):
    path = tmp_path / "scene-1.png"
    Image.new("RGB", (512, 512)).save(path)
    answered, lost = scene(path=path), scene("demo-2")
    event = verdict_event(zoomed=[(0, 0, 50, 50)])
    answered.event = event.model_copy(update={"timing_s": {"queued": 60.0, "total": 61.5}})
    lost.problem = "dead letter image_missing: gone"
    cases = [case_of(answered), case_of(lost)]
    assert cases[0].seconds == pytest.approx(1.5)
    assert cases[0].card is not None
    summary = Summary.of(cases, seconds=12.34)
    assert results(tmp_path / "report.html", summary) == {
        "images": 2,
        "answered": 1,
        "acc": 1.0,
        "i_acc": 0.0,
        "corrected": 1,
        "seconds": 12.3,
        "report": str(tmp_path / "report.html"),
    }
