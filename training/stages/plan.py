"""The values of one experiment, the places of its files, and the estimate of its time. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.checkpoint import Checkpoint
from training.common.progress import format_duration
from training.paper.ablations import AblationBudget
from training.stages.arms import ARMS, START, order_arms

SECONDS_PER_ANSWER = 0.08
SECONDS_PER_SCENE = 0.35
ENGINE_START_S = 60.0
# Measured with one thread of a busy machine; a run replaces them by its own pace.
FOUND_FRACTION = 0.05


@dataclass(frozen=True, slots=True)
class StagesPlan:
    """The start, arms, seeds and sizes. Without `start`, each seed fine-tunes one from random weights.

    `noise` is added to the start's language layers, in standard deviations of each matrix. `minutes` bound an arm.
    """

    out: Path
    start: Checkpoint | None
    noise: float
    start_minutes: float
    arms: Sequence[str]
    seeds: Sequence[int]
    budget: AblationBudget
    minutes: float
    train_scenes: int
    scenes: int

    @property
    def work(self) -> Path:
        """The directory of phases, which arms that begin alike share."""
        return self.out / "work"

    def locate_start(self, seed: int) -> Path:
        return self.out / f"seed-{seed}" / START

    def list_jobs(self) -> list[tuple[int, str]]:
        """Return seed and arm of each training in order; the start of a seed is an arm without training."""
        return [(seed, arm) for seed in self.seeds for arm in (START, *order_arms(self.arms))]

    def to_json(self) -> dict[str, Any]:
        """Return everything that must be the same when a run goes on; it may go on with other arms and seeds."""
        return {
            "start": None if self.start is None else {"name": self.start.name, "revision": self.start.revision},
            "noise": self.noise,
            "start_minutes": self.start_minutes if self.start is None else None,
            "steps": self.budget.steps,
            "answers": self.budget.prompts * self.budget.generations,
            "generations": self.budget.generations,
            "minutes": self.minutes if math.isfinite(self.minutes) else None,
            "train_scenes": self.train_scenes,
            "scenes": self.scenes,
        }

    def describe_start(self) -> str:
        if self.start is None:
            return f"the tiny model, fine-tuned for at most {self.start_minutes:g} minutes until it is in the window"
        damage = f" with noise of {self.noise:g} deviations, a damage that no training makes" if self.noise else ""
        return f"{self.start.name}{damage}"

    def describe(self) -> str:
        """Return the plan for users, with the time that it takes on a machine like the one of the estimates."""
        answers = self.budget.prompts * self.budget.generations
        lines = [
            f"start: {self.describe_start()}",
            f"budget of an arm: {self.budget.steps} steps of {answers} answers"
            + (f", at most {self.minutes:g} minutes" if math.isfinite(self.minutes) else ""),
            f"judged on {self.scenes} held-out scenes, each with own and with annotated boxes",
        ]
        for seed, arm in self.list_jobs():
            title = "the start" if arm == START else ARMS[arm].title
            lines.append(f"seed {seed}, {arm}: {title}, about {format_duration(self.estimate_s(arm))}")
        total_s = sum(self.estimate_s(arm) for _, arm in self.list_jobs())
        return "\n".join([*lines, f"in all about {format_duration(total_s)}, into {self.out}"])

    def estimate_left_s(self, arms: Sequence[str], took_s: Sequence[tuple[str, float]]) -> float:
        """Return the estimated seconds of these arms, at the pace of the arms that this run has trained and judged.

        An arm that took next to nothing was found on disk, and says nothing about the pace.
        """
        measured = [(s, self.estimate_s(arm)) for arm, s in took_s if s > FOUND_FRACTION * self.estimate_s(arm)]
        pace = sum(s for s, _ in measured) / sum(estimate for _, estimate in measured) if measured else 1.0
        return pace * sum(map(self.estimate_s, arms))

    def estimate_s(self, arm: str) -> float:
        """Return the estimated seconds to train and judge an arm."""
        judging_s = ENGINE_START_S + self.scenes * SECONDS_PER_SCENE
        if arm == START:
            return judging_s + (self.start_minutes * 60 if self.start is None else 0)
        answers = self.budget.steps * self.budget.prompts * self.budget.generations
        return judging_s + min(self.minutes * 60, answers * SECONDS_PER_ANSWER)
