"""The directory of one night, and the command lines of its steps there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from training.common.whole_file import write_whole
from training.retraining.config import GRPO_STAGES, NightConfig, StageName
from training.runs import profile_choice

PUBLISHED_LAST = "config.json"
"""of a checkpoint: with it a training is finished"""


@dataclass(frozen=True, slots=True)
class NightPlaces:
    """The files of a night: `start` are the weights to train from, `data` is the set that is trained on."""

    config: NightConfig
    directory: Path
    start: Path
    data: Path

    @property
    def new_kinds(self) -> Path:
        """The set of the test images that were labeled since the champion's snapshot."""
        return self.directory / "new"

    @property
    def challenger(self) -> Path:
        """The last stage's weights, calibrated; the directory's name is the model's."""
        return self.directory / "challenger" / self.config.address.name

    @property
    def trained(self) -> Path:
        """The checkpoint of the last stage."""
        return self.locate_stage(self.config.stages[-1])

    @property
    def gate(self) -> Path:
        return self.directory / "gate"

    @property
    def predictions(self) -> Path:
        return self.directory / "predictions"

    def locate_stage(self, stage: StageName) -> Path:
        return self.directory / stage

    def is_trained(self, stage: StageName) -> bool:
        return (self.locate_stage(stage) / PUBLISHED_LAST).exists()

    def list_checkpoints(self) -> dict[str, Path]:
        """Return the start and what each stage published, in their order."""
        return {"start": self.start, **{stage: self.locate_stage(stage) for stage in self.config.stages}}

    def build_training(self, stage: StageName) -> list[str]:
        """Return the verb that trains a stage, from the checkpoint of the stage before it or from the start."""
        before = self.config.stages[: self.config.stages.index(stage)]
        start = self.locate_stage(before[-1]) if before else self.start
        grpo = GRPO_STAGES.get(stage)
        verb = ["grpo", str(start), "--stage", str(grpo)] if grpo else ["sft", str(start)]
        return [*verb, "--data", str(self.data), "--out", str(self.locate_stage(stage)), *self._list_flags(stage)]

    def build_calibration(self, checkpoint: Path) -> list[str]:
        section = self.config.calibrate
        options = ["--count", str(section.count), "--risk", f"{section.risk:g}"]
        if section.prevalence:
            options += ["--prevalence", f"{section.prevalence:g}"]
        return ["calibrate", str(checkpoint), "--data", str(section.data or self.data), *options]

    def build_evaluation(self) -> list[str]:
        count = str(self.config.evaluate.count)
        return ["evaluate", str(self.challenger), "--data", str(self.data), "--count", count, "--write-card", "--json"]

    def build_gate(self, champion: Path, sets: Mapping[str, str]) -> list[str]:
        """Return the verb that judges the challenger; `sets` are the options for the sets that have images."""
        options = [word for name, place in sets.items() for word in (f"--{name}", place)]
        config = ["--config", str(self.gate.with_suffix(".yaml"))]
        verb = ["gate", str(self.challenger), "--champion", str(champion)]
        return [*verb, *options, *config, "--out", str(self.gate), "--json"]

    def write_gate_config(self) -> None:
        section = self.config.gate
        with write_whole(self.gate.with_suffix(".yaml")) as unfinished:
            unfinished.write_text(yaml.safe_dump({"profile": section.profile, **section.values}))

    def _list_flags(self, stage: StageName) -> list[str]:
        """Return the profile of a training and the values that the configuration changes, as flags."""
        section, resolved = self.config.get_training(stage), self.config.resolve_training(stage)
        changed = {name: getattr(resolved.values, name) for name in (*section.values, "report_to")}
        if changed["report_to"] == "none":
            del changed["report_to"]
        limit = ["--minutes", f"{section.minutes:g}"] if section.minutes and stage in GRPO_STAGES else []
        flags = profile_choice.render_flags(changed)
        return ["--seed", str(self.config.seed), "--profile", section.profile, *limit, *flags]
