"""A short loop with every phase, in a few minutes; `make loop-demo` shows how much a night gains.

Stand-ins: the worker's engine, whose verdicts are luck; labels as those of an import instead of Label Studio; and a
night of two steps of fine-tuning, without calibration, evaluation and a gate of its own, each of which starts an
engine. The gate that refuses the damaged challenger is real.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.loop_demo.loop import LoopDemo
from tests.loop_demo.plan import LoopDemoPlan, NightPlan
from tests.support.processes.worker_process import STANDIN
from training.gate.table import RowName
from worker.local.stack import LocalStack

NIGHT = NightPlan(
    is_whole=False,
    base=60,
    calibration=1,
    sft={"epochs": 0.1, "rows": 8, "micro_batch": 8, "learning_rate": 2e-4},
    demands={"images_of_each_class": 3, "perturbed_images": 6, "overlay_images": 6, "latency_images": 1},
    noise=1.2,
)


@pytest.mark.timeout(1200)
def test_new_labels_become_a_champion_that_a_rollback_takes_back(tmp_path: Path) -> None:
    plan = LoopDemoPlan(
        tmp_path,
        rate=2.0,
        before=16,
        flooded=48,
        after=16,
        after_rollback=8,
        max_in_flight=4,
        follow_s=0.5,
        has_label_studio=False,
        worker=(*STANDIN, "--delay-s", "0.05"),
        night=NIGHT,
    )
    sentences: list[str] = []
    with LocalStack(tmp_path / "stack", notify=sentences.append) as stack:
        results = LoopDemo(plan, stack, sentences.append).run()
    assert (results.lost, results.mixed_revisions) == (0, 0)
    assert results.events == results.answered > plan.before + plan.flooded + plan.after
    assert results.labels >= 30
    assert results.rolled_back
    assert results.rejudged >= plan.after
    assert results.swap_seconds > 0
    assert results.refused_challenger
    assert measure_damage(json.loads((tmp_path / "report.json").read_text())) < -0.2
    assert (tmp_path / "report.html").is_file()


def measure_damage(report: dict[str, Any]) -> float:
    """Return the accuracy that the refused challenger has beyond the champion's on the base set."""
    rows = report["gates"]["refused"]["rows"]
    return float(next(row["measured"]["value"] for row in rows if row["name"] == RowName.BASE))
