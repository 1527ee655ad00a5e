"""The stages that train the tiny model to the end: the command of each, and the directory that it finishes.

Resumable: a stage whose directory is finished does not run again, and the command of a killed stage resumes it.
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint
from training.reports import model_card

SFT, GRPO_1, GRPO_2, CALIBRATED = STAGES = ("sft", "grpo_1", "grpo_2", "calibrated")
GRPO_MINUTES = 20
Command = Callable[[list[str]], int]
"""runs `zoomin-train` with these arguments, and returns its exit status"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Scenes for GRPO and its values by stage, scenes that calibration is fitted on, and scenes to measure on."""

    scenes: int
    calibrated_on: int
    measured_on: int
    values: Mapping[str, tuple[str, ...]]


# The profile's rates are for a model with worse boxes: from an IoU of .72 both stages lost with them.
STANDARD = Sizes(
    scenes=1500,
    calibrated_on=1000,
    measured_on=1000,
    values={GRPO_1: ("--learning-rate", "3e-5"), GRPO_2: ("--learning-rate", "2e-5")},
)
_FEW = (
    *("--steps", "2", "--prompts", "2", "--generations", "4", "--micro-batch", "4", "--warm-up-steps", "1"),
    *("--validation-images", "4", "--save-every", "1"),
)
TRIAL = Sizes(scenes=8, calibrated_on=200, measured_on=20, values={GRPO_1: _FEW, GRPO_2: _FEW})


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of one model: its seed, its fine-tuned start (None: from random weights), and their working directory.

    `config` is the run file for training from random weights.
    """

    work: Path
    seed: int
    minutes: float
    sizes: Sizes
    start: Checkpoint | None
    config: Path | None = None

    def locate_stage(self, stage: str) -> Path:
        return self.work / stage

    def locate_refused(self, stage: str) -> Path:
        """Return the directory for the last weights of a GRPO stage that kept its start."""
        return self.work / f"{stage}-refused"

    def read_checkpoint(self, stage: str) -> Checkpoint:
        return Checkpoint.read(self.locate_stage(stage))

    def run_stages(self, command: Command) -> int:
        """Run every stage that is not finished; return the exit status of the first that fails, else 0."""
        self.work.mkdir(parents=True, exist_ok=True)
        if self.start and not is_finished(self.locate_stage(SFT)):
            self._copy(self.start.path, SFT, lambda _: 0)
        for stage, arguments in self._list_commands().items():
            if not is_finished(self.locate_stage(stage)) and (status := _run(command, arguments)):
                return status
        if is_finished(self.locate_stage(CALIBRATED)):
            return 0
        return self._copy(
            self.locate_stage(GRPO_2), CALIBRATED, lambda unfinished: _run(command, self._build_calibration(unfinished))
        )

    def _list_commands(self) -> Mapping[str, list[str]]:
        sft, first, second = (str(self.locate_stage(stage)) for stage in (SFT, GRPO_1, GRPO_2))
        config = ["--config", str(self.config)] if self.config else []
        return {
            SFT: ["tiny", "--seed", str(self.seed), "--minutes", f"{self.minutes:g}", "--out", sft, *config],
            GRPO_1: ["grpo", sft, "--stage", "1", "--out", first, *self._list_grpo_arguments(GRPO_1)],
            GRPO_2: ["grpo", first, "--stage", "2", "--out", second, *self._list_grpo_arguments(GRPO_2)],
        }

    def _list_grpo_arguments(self, stage: str) -> list[str]:
        sizes = ["--minutes", str(GRPO_MINUTES), "--scenes", str(self.sizes.scenes)]
        places = ["--refused", str(self.locate_refused(stage))]
        usual = ["--profile", "tiny", "--seed", str(self.seed), "--publish-dtype", "float32"]
        return [*usual, *sizes, *places, *self.sizes.values[stage]]

    def _build_calibration(self, directory: Path) -> list[str]:
        return ["calibrate", str(directory), "--count", str(self.sizes.calibrated_on)]

    def _copy(self, source: Path, stage: str, change: Callable[[Path], int]) -> int:
        """Copy a checkpoint to a stage's directory once `change` has succeeded, without measured or fitted values."""
        unfinished = self.work / f"{stage}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for file in source.iterdir():
            if file.is_file() and file.suffix != ".md":
                shutil.copyfile(file, unfinished / file.name)
        card = Checkpoint.read(source).card
        model_card.write_checkpoint_card(unfinished, card.remove_calibration().model_copy(update={"metrics": {}}))
        if status := change(unfinished):
            return status
        unfinished.rename(self.locate_stage(stage))
        return 0


def is_finished(directory: Path) -> bool:
    """Return whether both files that are written last exist: the card of fine-tuning, the configuration of GRPO."""
    return all((directory / name).exists() for name in (CARD_NAME, "config.json"))


def _run(command: Command, arguments: list[str]) -> int:
    print(f"zoomin-train {shlex.join(arguments)}", file=sys.stderr)
    return command(arguments)
