"""The state of labeling as tables for operators and as JSON."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.table import Table

from pipeline.wire.labels import LabelVerdict
from training.common.resampling import Metric, convert_to_json
from training.label_studio.status import LEAST_OF_ONE_CLASS, LabelStatus
from training.labeling.adjudication import LabelState

DAY_S = 24 * 3600.0
PIPE_WIDTH = 160
ONE_CLASS = "labels one class alone"


def convert_status(status: LabelStatus, *, now: datetime) -> dict[str, object]:
    """Convert the status to what `--json` prints."""
    return {
        "states": {state.value: status.states[state] for state in LabelState},
        "deleted": status.deleted,
        "unreadable": [asdict(unreadable) for unreadable in status.unreadable],
        "queue": {
            reason: {
                "pending": row.pending,
                "disputed": row.disputed,
                "oldest_days": _count_days(row.oldest, now),
            }
            for reason, row in sorted(status.queue.items())
        },
        "annotators": {
            name: {
                "labels": annotator.labels,
                "median_seconds": annotator.median_seconds,
                **{verdict.value: annotator.verdicts[verdict] for verdict in LabelVerdict},
                "one_class": annotator.is_of_one_class,
            }
            for name, annotator in sorted(status.annotators.items())
        },
        **convert_to_json(_list_metrics(status)),
        "boxes_drawn": status.boxes.drawn,
        "refused": dict(Counter(str(refusal.reason) for refusal in status.refused)),
        "refusals": [refusal.model_dump(mode="json") for refusal in status.refused],
    }


def print_status(status: LabelStatus, console: Console, *, now: datetime) -> None:
    console.print(", ".join(f"{status.states[state]:,} {state.value}" for state in LabelState), style="bold")
    if status.deleted:
        console.print(f"{status.deleted:,} deleted")
    console.print(_build_queue_table(status, now))
    if status.annotators:
        console.print(_build_annotator_table(status))
        metrics = Table("metric", "value with 95 % interval", box=None, padding=(0, 2, 0, 0))
        for name, metric in _list_metrics(status).items():
            metrics.add_row(name.replace("_", " "), str(metric))
        console.print(metrics)
    for refusal in status.refused:
        console.print(f"refused ({refusal.reason}): {refusal.detail}: {refusal.url}", style="yellow", soft_wrap=True)
    for unreadable in status.unreadable:
        console.print(f"unreadable: {unreadable.key}: {unreadable.detail}", style="yellow")


def build_console() -> Console:
    """Build a console that takes no text for markup."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def _list_metrics(status: LabelStatus) -> Mapping[str, Metric]:
    return {
        "kappa": status.kappa,
        "agreement_with_model_blind": status.blind.agreement,
        "agreement_with_model_shown": status.shown.agreement,
        "anchoring_gap": status.anchoring_gap,
        "boxes_kept": status.boxes_kept,
    }


def _build_queue_table(status: LabelStatus, now: datetime) -> Table:
    table = Table("reason", "pending", "disputed", "oldest", box=None, padding=(0, 2, 0, 0))
    for reason, row in sorted(status.queue.items()):
        days = _count_days(row.oldest, now)
        table.add_row(reason, f"{row.pending:,}", f"{row.disputed:,}", "" if days is None else f"{days:.1f} days")
    return table


def _build_annotator_table(status: LabelStatus) -> Table:
    table = Table("annotator", "labels", "median", *LabelVerdict, "", box=None, padding=(0, 2, 0, 0))
    for name, annotator in sorted(status.annotators.items()):
        median = annotator.median_seconds
        table.add_row(
            name,
            f"{annotator.labels:,}",
            "" if median is None else f"{median:.0f} s",
            *(f"{annotator.verdicts[verdict]:,}" for verdict in LabelVerdict),
            f"{ONE_CLASS} ({LEAST_OF_ONE_CLASS} or more)" if annotator.is_of_one_class else "",
        )
    return table


def _count_days(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round((now - moment).total_seconds() / DAY_S, 2)
