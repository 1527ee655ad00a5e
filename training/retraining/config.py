"""The configuration of a night: one YAML file whose values the command line overrides (`--set sft.epochs=1`).

Every value is checked before anything starts, those of the trainings too, so that no night ends after hours because of
a misspelled name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress, parse_address
from training.gate.demands import DEFAULT_PROFILE, Demands, GateProfile, resolve_demands
from training.grpo.profiles import Stage, resolve_grpo_profile
from training.runs import run_file
from training.runs.profiles import Count, Natural, ProfileName, Reporter, ResolvedProfile
from training.runs.run_file import RunFile
from training.sft.profiles import resolve_sft_profile

StageName = Literal["sft", "grpo_1", "grpo_2"]
STAGES: tuple[StageName, ...] = ("sft", "grpo_1", "grpo_2")
GRPO_STAGES: dict[StageName, Stage] = {"grpo_1": 1, "grpo_2": 2}
Minutes = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class SnapshotSection(_Section):
    """As the options of `zoomin-train snapshot`."""

    base_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """share of the base in each split"""
    golden_fraction: Annotated[float, Field(ge=0, lt=1)] | None = None
    """share of the control sample that becomes test images for ever; empty: the predecessor's"""
    least: Count = 20
    """images of each class to train on"""


class TrainingSection(BaseModel):
    """The profile of one training; every other value is one of the profile's (`zoomin-train sft --help`)."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True, allow_inf_nan=False)
    profile: ProfileName = "production"
    """where values come from that are not named here"""
    minutes: Minutes | None = None
    """GRPO: minutes at most; empty: no limit"""

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class CalibrateSection(_Section):
    """As the options of `zoomin-train calibrate`."""

    data: Path | None = None
    """set whose validation images it is fitted to; empty: the night's own"""
    count: Count = 1000
    """images, half of them to check on"""
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of generated images in the traffic to come; empty: the images' own"""
    risk: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """largest share of wrong verdicts on either side of the uncertain range"""


class EvaluateSection(_Section):
    count: Count = 1000
    """test images of the night's set"""


class GateSection(BaseModel):
    """The profile of the gate's demands; every other value is one of them (`zoomin-train gate --config`)."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True, allow_inf_nan=False)
    profile: GateProfile = DEFAULT_PROFILE

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def resolve(self, path: Path | None = None) -> Demands:
        """Resolve the demands; `path` is the night's file, for messages. Raises: BadSettings."""
        return resolve_demands(self.profile, file=RunFile(path, self.profile, self.values))[1]


class NightConfig(_Section):
    """Every value of a night."""

    labels: str
    """the labeling bucket: s3://bucket"""
    base: Path
    """set that the labels are mixed with, and that must not be forgotten"""
    snapshots: str
    """place of the snapshots: s3://bucket/name or a directory"""
    models: str
    """the model in its registry: s3://bucket/models/NAME"""
    work: Path = Path("build/nights")
    """directory of the nights: their state, checkpoints and reports"""
    start: Literal["champion", "base"] = "champion"
    """weights to train from"""
    base_model: Path | None = None
    """start: base; directory of the frozen checkpoint to train from"""
    model_size: str = "7b"
    """3b, 7b, 32b or the directory of a checkpoint: the shape that a dry run plans memory for"""
    least_new_labels: Natural = 200
    """images that are labeled since the champion's snapshot; with fewer there is nothing to do"""
    drift_report: Path | None = None
    """report.json of `zoomin-train estimate`; a drift alarm in it starts a night with any new label"""
    stages: tuple[StageName, ...] = STAGES
    """trainings, in their order; some may be left out"""
    launch: tuple[str, ...] = ()
    """words before `-m training` of a training: accelerate, launch, --config_file, FILE; empty: one process"""
    seed: Natural = 0
    """of the trainings"""
    report_to: Reporter = "none"
    """where the trainers send their metrics"""
    snapshot: SnapshotSection = SnapshotSection()
    sft: TrainingSection = TrainingSection()
    grpo_1: TrainingSection = TrainingSection()
    grpo_2: TrainingSection = TrainingSection()
    calibrate: CalibrateSection = CalibrateSection()
    evaluate: EvaluateSection = EvaluateSection()
    gate: GateSection = GateSection()
    promotion: Literal["automatic", "manual"] = "automatic"
    """manual: the challenger is pushed, and a person promotes it"""
    smoke_images: Natural = 8
    """test images that a worker asks a new revision about before it serves"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.stages) != [stage for stage in STAGES if stage in self.stages] or not self.stages:
            raise ValueError(f"stages is {', '.join(self.stages)}; name some of {', '.join(STAGES)}, in this order")
        if self.start == "base" and self.base_model is None:
            raise ValueError("start is base, and base_model names no checkpoint")
        if self.address.revision:
            raise ValueError(f"models is {self.models}, a single revision; name the model: s3://bucket/models/NAME")
        return self

    @property
    def address(self) -> ModelAddress:
        return parse_address(self.models)

    def get_training(self, stage: StageName) -> TrainingSection:
        section: TrainingSection = getattr(self, stage)
        return section

    def resolve_training(self, stage: StageName, path: Path | None = None) -> ResolvedProfile[Any]:
        """Resolve the profile of a stage; `path` is the night's file, for messages. Raises: BadSettings."""
        section = self.get_training(stage)
        values = {"report_to": self.report_to, **section.values}
        file = RunFile(path, section.profile, values)
        if stage == "sft":
            return resolve_sft_profile(section.profile, {}, file)
        return resolve_grpo_profile(section.profile, GRPO_STAGES[stage], {}, file, on_gpu=True)


def read_night_config(path: Path, overrides: Sequence[str] = ()) -> NightConfig:
    """Read the file, with `name=value` for values that replace its own.

    Raises: BadSettings with every value that is wrong, those of the trainings included.
    """
    file = run_file.read_run_file(path)
    values = dict(file.values)
    for override in overrides:
        _override(values, override)
    config = run_file.apply_changes(NightConfig, {}, values, RunFile(path), list(NightConfig.model_fields))
    for stage in config.stages:
        with _name_section(stage):
            config.resolve_training(stage, path)
    with _name_section("gate"):
        config.gate.resolve(path)
    return config


@contextmanager
def _name_section(name: str) -> Iterator[None]:
    """Put the name of a section before what is wrong in it."""
    try:
        yield
    except BadSettings as error:
        error.detail = f"{name}: {error.detail}"
        raise


def _override(values: dict[str, Any], override: str) -> None:
    """Set one value by its dotted name. Raises: BadSettings."""
    name, equals, text = override.partition("=")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadSettings(f"--set {override}: the value is not YAML; write name=value") from error
    if not equals or not name:
        raise BadSettings(f"--set {override} names no value; write name=value, as in sft.epochs=1")
    *sections, last = name.split(".")
    target = values
    for section in sections:
        inner = target.get(section) or {}
        if not isinstance(inner, dict):
            raise BadSettings(f"--set {override}: {section} is {inner}, which has no values inside")
        target[section] = dict(inner)
        target = target[section]
    target[last] = value


def render_config(config: NightConfig) -> str:
    """Render the resolved configuration as YAML, each training with every value of its profile."""
    values = config.model_dump(mode="json")
    for stage in STAGES:
        values.pop(stage)
        if stage in config.stages:
            resolved = config.resolve_training(stage)
            minutes = config.get_training(stage).minutes
            limit = {"minutes": minutes} if minutes else {}
            trained = resolved.values.model_dump(mode="json")
            values[stage] = {"profile": resolved.name, **limit, **trained}
    values["gate"] = {"profile": config.gate.profile, **config.gate.resolve().model_dump(mode="json")}
    return yaml.safe_dump(values, sort_keys=False, width=100)
