"""The values of one training of a baseline; those that a paper gives are its defaults where two CPU cores allow it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.baselines.networks import Backbone, Kind
from training.runs import run_file
from training.runs.run_file import NO_FILE, RunFile

MOST_MINUTES = 30.0
AUGMENTED: Mapping[Kind, float] = {"cnnspot": 0.1, "npr": 0.0}
"""share of crops that are blurred, and share that are stored as JPEG, independently"""


class BaselineRun(BaseModel):
    """`crop_px` is the side of the squares that are trained on; whole images are scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: Kind = Field(description="the detector")
    seed: int = Field(default=0, ge=0, le=60, description="scenes of higher numbers are held out")
    minutes: float = Field(default=MOST_MINUTES, gt=0, description="of drawing scenes and training together")
    scenes: int = Field(default=4000, ge=2, le=50_000, description="that it learns from, those of the tiny model")
    backbone: Backbone = Field(default="resnet50", description="resnet50 as published; a smaller one for CPUs")
    crop_px: int = Field(default=224, ge=32, le=4096, description="side of a training crop")
    batch: int = Field(default=16, ge=2, description="crops in a step, half of each class")
    learning_rate: float = Field(default=1e-3, gt=0, description="the largest; it falls linearly to zero")
    augmented_fraction: float = Field(default=0.0, ge=0, le=1, description="share blurred, and share stored as JPEG")

    @model_validator(mode="after")
    def _check_batch(self) -> "BaselineRun":
        if self.batch % 2:
            raise ValueError("batch is odd; it holds as many crops of each class, so make it even")
        return self

    @property
    def first_scene(self) -> int:
        """The tiny model's scenes of the same seed; no training takes those from 7,000,000 on."""
        return self.seed * 100_000


def resolve_baseline_run(kind: Kind, changes: Mapping[str, Any], file: RunFile = NO_FILE) -> BaselineRun:
    """Replace defaults by values of the run file, and those by `changes`. Raises: BadSettings."""
    defaults = {"kind": kind, "augmented_fraction": AUGMENTED[kind]}
    known = tuple(name for name in BaselineRun.model_fields if name != "kind")
    return run_file.apply_changes(BaselineRun, defaults, changes, file, known)
