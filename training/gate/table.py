"""The gate's table: a row for each demand, with what was measured and whether it holds. It is the gate's JSON.

Every interval has one-sided 95 % bounds: the value lies above `low` with that confidence, and below `high` with it too.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Result = Literal["passed", "failed", "waived"]
SetName = Literal["golden", "base", "new"]
DemandValue = float | int | dict[str, str] | dict[str, float] | None


class RowName(StrEnum):
    """The rows of the table in their order; a configuration waives a row by this name."""

    GOLDEN = "golden"
    FPR = "fpr"
    FPR_BY_SOURCE = "fpr_by_source"
    NEW_KINDS = "new_kinds"
    BASE = "base"
    JPEG_80 = "jpeg_80"
    JPEG_30 = "jpeg_30"
    CROP = "crop"
    HALF_SIZE = "half_size"
    FORMAT_SWAP = "format_swap"
    RANDOM_BOXES = "random_boxes"
    C_ACC = "c_acc"
    IOU = "iou"
    BLEU2 = "bleu2"
    UNPARSED = "unparsed"
    ECE = "ece"
    BRIER = "brier"
    OVERLAY = "overlay"
    LATENCY = "latency"
    MEMORY = "memory"
    SHADOW = "shadow"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Part):
    """A value with its one-sided bounds; without bounds it was counted, not estimated."""

    value: float
    low: float | None = None
    high: float | None = None


class Limit(_Part):
    """The number that a row demands: of the lower bound above it, or of the upper bound at most it."""

    bound: Literal["above", "at_most"]
    value: float


class GateRow(_Part):
    """A demand, what was measured for it, and the result.

    `measured` is None where there was nothing to measure. `missing_images`: as many more images would show the demand
    to hold, if they differ as those that are there. `detail` adds counts, the fault of a set, or a waiver's reason.
    """

    name: RowName
    demand: str
    limit: Limit
    measured: Interval | None
    images: Annotated[int, Field(ge=0)]
    missing_images: Annotated[int, Field(ge=0)] = 0
    result: Result
    detail: str = ""


class GatedModel(_Part):
    """A checkpoint that was compared; `engine` names the version that answered for it."""

    name: str
    revision: str
    engine: str


class GatedSet(_Part):
    """A set that both models saw, by its name and the digest of its images in their order."""

    name: str
    digest: str
    real: int
    generated: int
    left_out: int = 0


class GateTable(_Part):
    """The whole table; it has `passed` when no row failed.

    `changed` are the demands that differ from those of the profile, with their values.
    """

    schema_version: Literal[1] = 1
    champion: GatedModel
    challenger: GatedModel
    profile: str
    changed: dict[str, DemandValue]
    sets: dict[SetName, GatedSet]
    bootstrap_seed: int
    draw_seed: int
    made_at: str
    rows: list[GateRow]
    passed: bool
