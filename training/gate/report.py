"""The gate's table as text for a terminal, and as a page with the cards of images on which the models differ."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.gate.evidence import TITLES
from training.gate.table import GateRow, GateTable, Interval, SetName
from training.reports import page
from training.reports.examples import DIFFERENCES, CardPair

_WIDTH = 118


def format_table(table: GateTable) -> str:
    """Return the table as text: a line for each row, and below it what has to be known of it."""
    lines = [
        f"champion   {table.champion.name} {table.champion.revision[:19]}",
        f"challenger {table.challenger.name} {table.challenger.revision[:19]}",
        f"demands of the profile {table.profile}{_describe_changes(table)}",
        *(
            f"{TITLES[name]}: {gated.name}, {gated.real} real and {gated.generated} generated images"
            + (f", {gated.left_out} more cannot be read" if gated.left_out else "")
            for name, gated in table.sets.items()
        ),
        "",
    ]
    for row in table.rows:
        lines.append(f"{row.result:7} {row.name:14} {format_measured(row.measured):28} n={row.images:<6} {row.demand}")
        lines += [textwrap.indent(line, " " * 23) for line in textwrap.wrap(describe_row(row), _WIDTH - 23)]
    failed = [row.name.value for row in table.rows if row.result == "failed"]
    verdict = f"refused: {', '.join(failed)}" if failed else "passed"
    return "\n".join([*lines, "", f"The challenger is {verdict}."])


def format_measured(measured: Interval | None) -> str:
    if measured is None:
        return "-"
    if measured.low is None or measured.high is None:
        return f"{measured.value:.4f}"
    return f"{measured.value:.4f} [{measured.low:.4f}, {measured.high:.4f}]"


def describe_row(row: GateRow) -> str:
    """Return the detail of a row with the images that it lacks; empty where there is nothing to add."""
    missing = f"too few images: {row.missing_images:,} more are needed" if row.missing_images else ""
    return "; ".join(filter(None, (missing, row.detail)))


def write_gate_report(directory: Path, table: GateTable, cards: Mapping[SetName, Sequence[CardPair]]) -> Path:
    """Write report.html and report.json; return the page's path."""
    galleries = {TITLES[name]: pairs for name, pairs in cards.items()}
    kinds = dict(zip(DIFFERENCES, ("Only the champion is right", "Only the challenger is right"), strict=True))
    rows = [(row, format_measured(row.measured), describe_row(row)) for row in table.rows]
    numbers = table.model_dump(mode="json")
    page.write_report(directory, numbers, "gate.html.jinja", rows=rows, galleries=galleries, kinds=kinds, titles=TITLES)
    return directory / page.HTML_NAME


def _describe_changes(table: GateTable) -> str:
    if not table.changed:
        return ""
    return ", changed: " + ", ".join(f"{name} {value}" for name, value in table.changed.items())
