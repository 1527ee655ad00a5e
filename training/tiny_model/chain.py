"""The tiny model trained to the end: the command of each stage, and the directory that it finishes.

Resumable: a stage whose directory is finished is not run again, and one that was killed goes on inside, as its command
does by itself.
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
"""`zoomin-train` with these arguments: its exit status"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much the stages after fine-tuning do: scenes for GRPO and its values by stage, scenes to fit and judge by."""

    scenes: int
    calibrated_on: int
    judged_on: int
    values: Mapping[str, tuple[str, ...]]


# The profile's rates are for a model that names worse boxes: from an IoU of .72 both stages lost by them.
STANDARD = Sizes(
    scenes=1500,
    calibrated_on=1000,
    judged_on=1000,
    values={GRPO_1: ("--learning-rate", "3e-5"), GRPO_2: ("--learning-rate", "2e-5")},
)
_FEW = (
    *("--steps", "2", "--prompts", "2", "--generations", "4", "--micro-batch", "4", "--warm-up-steps", "1"),
    *("--validation-images", "8", "--save-every", "1"),
)
TRIAL = Sizes(scenes=8, calibrated_on=200, judged_on=40, values={GRPO_1: _FEW, GRPO_2: _FEW})


@dataclass(frozen=True, slots=True)
class Chain:
    """One model's way: by which seed, from which fine-tuned start (None: from nothing), and where its stages lie."""

    work: Path
    seed: int
    minutes: float
    sizes: Sizes
    start: Checkpoint | None

    def directory(self, stage: str) -> Path:
        return self.work / stage

    def refused(self, stage: str) -> Path:
        """Where a stage of GRPO that left the model as it was puts what it had trained."""
        return self.work / f"{stage}-refused"

    def checkpoint(self, stage: str) -> Checkpoint:
        return Checkpoint.read(self.directory(stage))

    def run(self, command: Command) -> int:
        """Every stage that is not finished; the exit status of the first that fails, else 0."""
        self.work.mkdir(parents=True, exist_ok=True)
        if self.start and not finished(self.directory(SFT)):
            self._copy(self.start.path, SFT, lambda _: 0)
        for stage, arguments in self._commands().items():
            if not finished(self.directory(stage)) and (status := _run(command, arguments)):
                return status
        if finished(self.directory(CALIBRATED)):
            return 0
        return self._copy(
            self.directory(GRPO_2), CALIBRATED, lambda unfinished: _run(command, self._calibrate(unfinished))
        )

    def _commands(self) -> Mapping[str, list[str]]:
        sft, first, second = (str(self.directory(stage)) for stage in (SFT, GRPO_1, GRPO_2))
        return {
            SFT: ["tiny", "--seed", str(self.seed), "--minutes", f"{self.minutes:g}", "--out", sft],
            GRPO_1: ["grpo", sft, "--stage", "1", "--out", first, *self._grpo(GRPO_1)],
            GRPO_2: ["grpo", first, "--stage", "2", "--out", second, *self._grpo(GRPO_2)],
        }

    def _grpo(self, stage: str) -> list[str]:
        sizes = ["--minutes", str(GRPO_MINUTES), "--scenes", str(self.sizes.scenes)]
        places = ["--refused", str(self.refused(stage))]
        return ["--profile", "tiny", "--seed", str(self.seed), *sizes, *places, *self.sizes.values[stage]]

    def _calibrate(self, directory: Path) -> list[str]:
        return ["calibrate", str(directory), "--count", str(self.sizes.calibrated_on)]

    def _copy(self, source: Path, stage: str, change: Callable[[Path], int]) -> int:
        """A checkpoint under a stage's name, once `change` is done with it; without what was measured or fitted."""
        unfinished = self.work / f"{stage}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for file in source.iterdir():
            if file.is_file() and file.suffix != ".md":
                shutil.copyfile(file, unfinished / file.name)
        card = Checkpoint.read(source).card
        unmeasured = {"metrics": {}, "calibration": None, "uncertain_between": None}
        model_card.write_card(unfinished, card.model_copy(update=unmeasured))
        if status := change(unfinished):
            return status
        unfinished.rename(self.directory(stage))
        return 0


def finished(directory: Path) -> bool:
    """Fine-tuning writes the card last, GRPO the configuration."""
    return all((directory / name).exists() for name in (CARD_NAME, "config.json"))


def _run(command: Command, arguments: list[str]) -> int:
    print(f"zoomin-train {shlex.join(arguments)}", file=sys.stderr)
    return command(arguments)
