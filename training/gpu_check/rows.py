"""Define a row of the check's table: one thing that was tried, its outcome and its numbers."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["ok", "failed", "skipped"]
CORE, WAITING, STOP = "core process", "waiting for SIGTERM", "SIGTERM"
"""names of rows that the two processes of the serving part know"""


class CheckRow(BaseModel):
    """`values` have their unit in their names; `detail` says why a row failed or was skipped."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    outcome: Outcome = "ok"
    values: dict[str, float | str] = {}
    detail: str = ""


Report = Callable[[CheckRow], None]
