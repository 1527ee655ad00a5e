import io
import json
from pathlib import Path

from rich.console import Console

from training.common.machine import GIB, Machine
from training.gpu_check import report
from training.gpu_check.plan import build_plan
from training.gpu_check.rows import CheckRow

ROWS = [
    CheckRow(name="both queries, 16 in flight", values={"images_per_s": 9.5}),
    CheckRow(name="GRPO step", outcome="failed", detail="out of memory [7b]"),
]


def test_the_table_shows_numbers_outcomes_and_reasons() -> None:
    stream = io.StringIO()
    report.print_table(ROWS, Console(file=stream, width=120))
    assert "images_per_s 9.5" in stream.getvalue()
    assert "failed" in stream.getvalue()
    assert "out of memory [7b]" in stream.getvalue()


def test_the_json_has_plan_machine_and_rows(tmp_path: Path) -> None:
    plan = build_plan("7b", tmp_path, on_cpu=False, layers=None, tensor_parallel=2, minutes=10)
    report.write_report(
        tmp_path / "new/gpu.json", plan, Machine(("H200", "H200"), round(139.8 * GIB)), ROWS, seconds=12.3
    )
    written = json.loads((tmp_path / "new/gpu.json").read_text())
    assert (written["size"], written["tensor_parallel"], written["devices"]) == ("7b", 2, ["H200", "H200"])
    assert (written["failed"], written["seconds"]) == (1, 13)
    assert written["rows"][0]["values"] == {"images_per_s": 9.5}
