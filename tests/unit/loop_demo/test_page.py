"""The page shows both curves over the revisions, both tables of the gate, and what was lost."""

import json
from pathlib import Path

from tests.loop_demo import measurement
from tests.loop_demo.page import Marker, Story, write_page
from tests.loop_demo.results import LoopDemoResults
from tests.loop_demo.traffic import Kind
from tests.support.gate_evidence import build_gate_table
from tests.support.loop_events import FIRST, SECOND, answer_event, build_sent_event

RESULTS = LoopDemoResults(
    acc_before=0.95,
    acc_new_before=0.64,
    acc_new_after=0.89,
    acc_base_after=0.94,
    labels=512,
    night_seconds=720.0,
    swap_seconds=4.2,
    longest_silence_s=5.1,
    events=600,
    answered=600,
    lost=0,
    mixed_revisions=0,
    refused_challenger=True,
    rolled_back=True,
    rejudged=150,
    seconds=1500.0,
)


def build_story() -> Story:
    sent = [build_sent_event(n, Kind.NEW if n >= 120 and n // 2 % 4 else Kind.KNOWN) for n in range(600)]
    verdicts = [
        answer_event(
            event,
            revision=SECOND if 380 <= event.number < 540 else FIRST,
            is_right=event.kind is Kind.KNOWN or event.number % 3 > 0 or 380 <= event.number < 540,
        )
        for event in sent
    ]
    judged = measurement.join(sent, verdicts)
    return Story(
        results=RESULTS,
        rate=2.0,
        curves={kind: measurement.trace_curve(judged, kind, window=40) for kind in Kind},
        swaps=measurement.find_swaps(judged),
        markers=[Marker(120, "new kinds appear"), Marker(380, "new champion answers"), Marker(540, "rollback")],
        phases={"before": {"seconds": 60.0}, "night": {"seconds": 720.0}},
        passed=build_gate_table(passed=True),
        refused=build_gate_table(passed=False),
        both_models={Kind.KNOWN: {"events": 40, "first": 0.94, "last": 0.95}},
        label_origin="given by oracles",
    )


def test_the_page_has_the_curves_the_tables_and_the_counts(tmp_path: Path) -> None:
    page = write_page(tmp_path, build_story()).read_text()
    assert page.count("<polyline") == 6, "both kinds have a line for each of three revisions, and no new kind before"
    for text in ("new kinds appear", "new champion answers", "rollback", "600 / 600", ".640", ".890", "12 min"):
        assert text in page
    assert page.count('class="passed"') == page.count('class="failed"') == 1
    assert "<script" not in page
    assert "&lt;b&gt;worse" in page
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["results"]["acc_new_after"] == 0.89
    assert numbers["swaps"][1] == {"number": 380, "revision": SECOND}
