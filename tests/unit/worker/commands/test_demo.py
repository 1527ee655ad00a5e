import pytest
from PIL import Image

from pipeline.verdict import Verdict
from tests.support.verdicts import build_verdict
from worker.commands.demo import build_case, build_results
from worker.demo.report import Summary
from worker.demo.scenes import Scene


def test_the_summary_for_programs_has_the_contracts_names(tmp_path):
    path = tmp_path / "scene-1.png"
    Image.new("RGB", (512, 512)).save(path)
    answered = Scene(path, Verdict.GENERATED, "demo-1")
    lost = Scene(path, Verdict.GENERATED, "demo-2")
    event = build_verdict(zoomed=[(0, 0, 50, 50)])
    answered.event = event.model_copy(update={"timing_s": {"queued": 60.0, "total": 61.5}})
    lost.problem = "dead letter image_missing: gone"
    cases = [build_case(answered), build_case(lost)]
    assert cases[0].seconds == pytest.approx(1.5)
    assert cases[0].evidence_card is not None
    summary = Summary.from_cases(cases, seconds=12.34)
    assert build_results(tmp_path / "report.html", summary) == {
        "images": 2,
        "answered": 1,
        "acc": 1.0,
        "i_acc": 0.0,
        "acc_published": 1.0,
        "corrected": 1,
        "seconds": 12.3,
        "report": str(tmp_path / "report.html"),
    }
