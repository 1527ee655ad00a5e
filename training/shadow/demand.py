"""The demand of a gate on a shadow run, and what the report of such a run says about two revisions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import BadSettings
from training.reports.page import JSON_NAME


class ShadowDemand(BaseModel):
    """As a configuration writes it: `shadow: {hours: 24, max_flips: .02}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hours: Annotated[float, Field(gt=0, le=24 * 365)] = 24.0
    """hours of traffic that both judged"""
    max_flips: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """largest share of verdicts that differ"""


class _Flips(BaseModel):
    n: Annotated[int, Field(ge=1)]
    to_generated: Annotated[int, Field(ge=0)]
    to_real: Annotated[int, Field(ge=0)]


class _Pool(BaseModel):
    revision: str


class _Report(BaseModel):
    """The parts of a shadow report that are read here."""

    hours: Annotated[float, Field(ge=0)]
    flips: _Flips
    pools: dict[str, _Pool]


@dataclass(frozen=True, slots=True)
class ShadowEvidence:
    """The events that both revisions judged, how many of them flip, and the hours of traffic that they cover.

    `fault` says why the report is none about these revisions.
    """

    events: int
    flips: int
    hours: float
    fault: str = ""


def read_shadow_evidence(path: Path, *, champion: str, challenger: str) -> ShadowEvidence:
    """Read the report of `zoomin-train shadow` (its directory or report.json) as evidence about two revisions.

    Raises: BadSettings for a file that is no such report.
    """
    file = path / JSON_NAME if path.is_dir() else path
    try:
        report = _Report.model_validate(json.loads(file.read_bytes()))
        revisions = {name: report.pools[name].revision for name in ("champion", "challenger")}
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise BadSettings(f"{file} is no report of `zoomin-train shadow`: name its directory or report.json") from error
    faults = [
        f"the shadow run was about the {name} {revisions[name]}, not about {wanted}"
        for name, wanted in (("champion", champion), ("challenger", challenger))
        if revisions[name] != wanted
    ]
    flips = report.flips
    return ShadowEvidence(flips.n, flips.to_generated + flips.to_real, report.hours, "; ".join(faults))
