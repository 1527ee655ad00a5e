"""The revisions of a model registry as tables for operators, and as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.registry.champion import Champion
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.survey import RegistryState

PIPE_WIDTH = 240


def convert_state(state: RegistryState) -> dict[str, object]:
    """Convert all revisions to what `models list --json` prints."""
    revisions = [
        {
            "revision": row.revision,
            "role": state.name_role(row.revision),
            "problem": row.problem,
            "manifest": row.manifest.model_dump(mode="json") if row.manifest else None,
        }
        for row in state.revisions
    ]
    return {"champion": convert_champion(state.champion), "revisions": revisions}


def convert_champion(champion: Champion | None) -> dict[str, Any] | None:
    return champion.model_dump(mode="json") if champion else None


def build_state_table(state: RegistryState) -> Table:
    table = _build_table("revision", "role", "created", "by", "bytes", "gate", "parent")
    for row in state.revisions:
        manifest, role = row.manifest, state.name_role(row.revision)
        if manifest is None:
            table.add_row(row.revision, role or "unfinished")
        else:
            created, size = _format_time(manifest.created_at), f"{manifest.total_bytes:,}"
            gate, parent = describe_gate(manifest), manifest.parent or ""
            table.add_row(row.revision, role, created, manifest.created_by, size, gate, parent)
    return table


def build_manifest_table(manifest: RevisionManifest) -> Table:
    table = _build_table("revision", manifest.revision)
    table.add_row("created", f"{_format_time(manifest.created_at)} by {manifest.created_by}")
    table.add_row("parent", manifest.parent or "unknown")
    table.add_row("labeled set", manifest.data_digest or "unknown")
    table.add_row("gate", describe_gate(manifest))
    for question in manifest.smoke:
        table.add_row("smoke question", f"{question.image} is {question.verdict}")
    for path, file in sorted(manifest.files.items()):
        table.add_row(path, f"{file.bytes:,} bytes, sha256 {file.sha256}")
    return table


def build_history_table(history: Sequence[Champion]) -> Table:
    """Build the table of all champions, the newest first."""
    table = _build_table("", "champion", "since", "by", "reason", "took back")
    for champion in history:
        since, back = _format_time(champion.promoted_at), champion.rolled_back or ""
        table.add_row(str(champion.number), champion.revision, since, champion.by, champion.reason, back)
    return table


def describe_gate(manifest: RevisionManifest) -> str:
    if manifest.gate is None:
        return "none"
    return "passed" if manifest.gate.get("passed") else "refused"


def print_tables(*tables: Table) -> None:
    """Print tables, not cut where they go to a file."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    for table in tables:
        console.print(table)


def _build_table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
