"""Write the rows of a check as a table for people and as JSON for machines."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.common.machine import Machine
from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CheckRow

STYLES = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


def print_table(rows: Sequence[CheckRow], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("check", "outcome", "numbers"):
        table.add_column(title, overflow="fold")
    for row in rows:
        numbers = ", ".join(f"{name} {format_value(value)}" for name, value in row.values.items())
        said = Text("; ".join(part for part in (numbers, row.detail) if part))
        table.add_row(Text(row.name), Text(row.outcome, style=STYLES[row.outcome]), said)
    console.print(table)


def format_value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def write_report(path: Path, plan: CheckPlan, machine: Machine, rows: Sequence[CheckRow], *, seconds: float) -> None:
    """Write `path` as JSON: the plan, the machine, and every row."""
    report = {
        "size": plan.size,
        "layers": plan.layers,
        "tensor_parallel": plan.tensor_parallel,
        "on_cpu": plan.on_cpu,
        "devices": list(machine.devices),
        "memory_gib": machine.memory_gib,
        "seconds": math.ceil(seconds),
        "failed": sum(row.outcome == "failed" for row in rows),
        "rows": [row.model_dump() for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
