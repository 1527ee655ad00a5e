"""A short round of `make label-demo` with the real Label Studio; the engine is a stand-in, whose verdicts are luck."""

from pathlib import Path

import pytest

from tests.label_demo.plan import LabelDemoPlan
from tests.label_demo.round import Round
from tests.support.processes.worker_process import STANDIN
from worker.local.stack import LocalStack


@pytest.mark.timeout(1200)
def test_traffic_becomes_labels_an_estimate_and_a_snapshot(tmp_path: Path) -> None:
    plan = LabelDemoPlan(tmp_path, events=60, browser=0, base=16, sampled_fraction=0.9, max_in_flight=4, worker=STANDIN)
    sentences: list[str] = []
    with LocalStack(tmp_path / "stack", notify=sentences.append, with_label_studio=True) as stack:
        results = Round(plan, stack, sentences.append).run()
    assert results.events == 60
    assert 30 <= results.cases <= results.labels
    low, value, high = (results.acc_estimated[name] or 0.0 for name in ("low", "value", "high"))
    assert low < value < high
    assert abs(value - results.acc_true) < 0.3, "which cases are drawn changes with the day"
    assert len(results.snapshot) == 64
    assert (tmp_path / "estimate" / "report.html").is_file()
