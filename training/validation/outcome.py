"""The outcome of a validated run: the decision on its weights, and the checkpoint that follows from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.common import resampling
from training.evaluation.metrics import Prediction
from training.runs import publishing, resuming
from training.runs.weights import SurvivingUpdate
from training.validation.decision import Aim, WeightsDecision, decide
from training.validation.profile import Kept
from training.validation.result import ValidationResult, summarize_predictions


@dataclass(frozen=True, slots=True)
class ValidatedOutcome:
    """The metrics of the start and of the weights as they would be published, with the decision on them.

    `replaces_start` tells which weights the run publishes: the trained ones, or the start unchanged.
    """

    start: ValidationResult
    published: ValidationResult
    decision: WeightsDecision
    surviving: SurvivingUpdate
    replaces_start: bool

    @classmethod
    def decide(
        cls,
        aim: Aim,
        kept: Kept,
        start: Sequence[Prediction],
        published: Sequence[Prediction],
        *,
        step: int,
        surviving: SurvivingUpdate,
    ) -> "ValidatedOutcome":
        """Decide on the weights of the last step by predictions over the same images, given in the same order."""
        decision = decide(aim, start, published)
        return cls(
            summarize_predictions(0, start),
            summarize_predictions(step, published),
            decision,
            surviving,
            kept == "last" or not decision.failed_checks,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "replaces_start": self.replaces_start,
            "failed_checks": list(self.decision.failed_checks),
            "differences": resampling.convert_to_json(self.decision.differences),
            "update": asdict(self.surviving),
            "start": asdict(self.start),
            "published": asdict(self.published),
        }

    def describe(self, out: Path, refused: Path | None) -> str:
        """Describe for people which weights `out` holds, and why."""
        lines = [f"published less start: {self.decision}", str(self.surviving)]
        if self.replaces_start:
            lines += [f"{out}: measure it with `zoomin-train evaluate {out} --write-card`"]
        else:
            lines += [f"{out} is the start unchanged: {'; '.join(self.decision.failed_checks)}"]
            if refused:
                lines += [f"{refused} holds the last weights; hold both against each other with `zoomin-train report`"]
        return "\n".join(lines)


def refuse_finished_directories(directory: Path, out: Path, refused: Path | None) -> None:
    """Raise when a directory that the run writes holds a finished checkpoint.

    A run that goes on may have written `--refused` before it was killed. Raises: BadSettings.
    """
    publishing.refuse_finished(out, "--out")
    if refused and not directory.exists():
        publishing.refuse_finished(refused, "--refused")


def publish_outcome(
    outcome: ValidatedOutcome, directory: Path, start: Checkpoint, *, out: Path, refused: Path | None
) -> None:
    """Publish the weights that the outcome names, and refused ones where `refused` says; delete unfinished work.

    Raises: TrainingFailed when a checkpoint cannot be written.
    """
    unfinished = directory / publishing.MADE
    with resuming.translate_write_errors(f"the checkpoint in {out}", f"{directory} stays"):
        if refused and not outcome.replaces_start:
            publishing.publish_checkpoint(unfinished, refused)
        publishing.publish_checkpoint(unfinished if outcome.replaces_start else start.path, out)
    publishing.delete_unfinished_work(directory)
