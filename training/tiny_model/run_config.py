"""The values that make up one training of the tiny model from random weights."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from training.runs import run_file
from training.runs.run_file import NO_FILE, RunFile
from training.synthetic import album

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Mix(BaseModel):
    """The rows of each query in one step."""

    model_config = _STRICT
    scans: int = Field(default=16, ge=0, description="rows of Query 1")
    checks: int = Field(default=8, ge=0, description="rows of Query 2")


STANDARD_MIX = Mix()


class TinyRun(BaseModel):
    """The numbers fit two quiet cores in `minutes`; a slower machine takes fewer steps."""

    model_config = _STRICT
    seed: int = Field(default=0, ge=0, le=60, description="scenes of higher numbers are held out")
    minutes: float = Field(default=30.0, gt=0, allow_inf_nan=True, description="of fine-tuning, at most")
    scenes: int = Field(default=4000, ge=1, le=50_000, description="that the model learns from")
    warm_up_steps: int = Field(default=800, ge=1, description="of the vision tower, at most")
    sft_steps: int = Field(default=1800, ge=1, description="of fine-tuning, at most")
    mix: Mix = Field(default=STANDARD_MIX, description="the rows of one step")

    @property
    def first_scene(self) -> int:
        """Each seed trains on scenes of its own; no training takes those from 7,000,000 on."""
        return self.seed * 100_000

    @property
    def digest(self) -> str:
        """The digest of the scenes and rows that the run is trained on."""
        scenes = (album.VERSION, self.first_scene, self.scenes, self.mix.model_dump())
        return f"sha256:{sha256(repr(scenes).encode()).hexdigest()}"

    @property
    def name(self) -> str:
        """The name of the run's working directory: the seed, and a digest when other values are not the defaults."""
        name = f"tiny-{self.seed}"
        values = self.model_dump(exclude={"seed", "minutes"}, exclude_defaults=True)
        return f"{name}-{sha256(repr(values).encode()).hexdigest()[:12]}" if values else name


def resolve_tiny_run(changes: Mapping[str, Any], file: RunFile = NO_FILE) -> TinyRun:
    """Replace defaults by values of the run file, and those by `changes`. Raises: BadSettings."""
    return run_file.apply_changes(TinyRun, {}, changes, file, tuple(TinyRun.model_fields))
