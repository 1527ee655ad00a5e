"""The trainings behind the paper's table 1: each row's phases from the shared fine-tuned checkpoint. Pure.

Every row has the same number of GRPO steps of the same number of answers: one turn spends them at once, two turns spend
half on each stage. A row is its last weights, whatever they do: a choice by validation would hide what a reward does.
Source: paper sections 4.1 and 4.3; where they are silent about a row, what its name says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.grpo import profiles as grpo_profiles
from training.grpo.profiles import BoxSource, Stage, Weights
from training.runs.profiles import Name, Resolved
from training.sft import profiles as sft_profiles
from training.sft.profiles import Variant

ONE_TURN = 2
"""halves of a row's steps that one turn spends"""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """A model that answers both queries learns to answer in one turn."""

    name: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class Grpo:
    """A stage with rewards of its own, over its part of the row's steps."""

    name: str
    stage: Stage
    rewards: Weights
    box_source: BoxSource = "model"
    halves: int = 1


Phase = FineTuning | Grpo


@dataclass(frozen=True, slots=True)
class Training:
    """How a row comes to be, and how its checkpoint is asked."""

    variant: Variant
    phases: tuple[Phase, ...] = ()


def _equal(*names: str) -> Weights:
    return tuple((name, 1.0) for name in names)


_ONE_TURN_E = FineTuning("sft_one_turn_e", "one_turn_e")
_ONE_TURN_EG = FineTuning("sft_one_turn_eg", "one_turn_eg")
_STAGE_1 = Grpo("stage_1", 1, _equal("format", "iou"))
_STAGE_2 = Grpo("stage_2", 2, _equal("verdict", "bleu"))
UNTRAINED, OWN = "base", "two_turn"
TRAININGS: Mapping[str, Training] = {
    UNTRAINED: Training("one_turn_e"),
    "sft": Training("two_turn"),
    OWN: Training("two_turn", (_STAGE_1, _STAGE_2)),
    "no_bleu": Training("two_turn", (_STAGE_1, Grpo("no_bleu", 2, _equal("verdict")))),
    "dual_verdict": Training(
        "two_turn", (Grpo("stage_1_with_verdict", 1, _equal("format", "iou", "verdict")), _STAGE_2)
    ),
    "one_turn_e": Training(
        "one_turn_e",
        (_ONE_TURN_E, Grpo("explanation", 2, _equal("format", "verdict", "bleu"), "none", halves=ONE_TURN)),
    ),
    "verdict_only": Training(
        "one_turn_e", (_ONE_TURN_E, Grpo("verdict_alone", 2, _equal("verdict"), "none", halves=ONE_TURN))
    ),
    "one_turn_eg": Training(
        "one_turn_eg",
        (_ONE_TURN_EG, Grpo("explanation_and_boxes", 1, _equal("format", "iou", "verdict", "bleu"), halves=ONE_TURN)),
    ),
}
"""the row `two_turn` is what the others are held against: the paper's method with their budget"""


@dataclass(frozen=True, slots=True)
class Budget:
    """What every row may spend: one profile, and GRPO steps of so many answers, of which a stage of two gets half."""

    profile: Name
    steps: int
    prompts: int
    generations: int

    @classmethod
    def of(
        cls, profile: Name, *, steps: int | None = None, prompts: int | None = None, generations: int | None = None
    ) -> "Budget":
        """What is not said is the profile's: the steps of both its stages, the answers of its second."""
        first, second = (grpo_profiles.PROFILES[profile, stage] for stage in (1, 2))
        return cls(
            profile, steps or first.steps + second.steps, prompts or second.prompts, generations or second.generations
        )


def fine_tuning(phase: FineTuning, budget: Budget) -> Resolved[sft_profiles.Profile]:
    return sft_profiles.resolve(budget.profile, {"variant": phase.variant})


def grpo(phase: Grpo, budget: Budget) -> Resolved[grpo_profiles.Profile]:
    """The profile's stage with the row's rewards and share, asked the paper's prompts alone.

    One turn's answer is let go to its end: a profile may cut Query 1's where its words begin, which count here.
    """
    usual = grpo_profiles.PROFILES[budget.profile, phase.stage]
    changes: dict[str, Any] = {
        "steps": max(1, budget.steps * phase.halves // 2),
        "prompts": budget.prompts,
        "generations": budget.generations,
        "micro_batch": math.gcd(usual.micro_batch, budget.prompts * budget.generations),
        "stage_rewards": phase.rewards,
        "scan_fraction": 0.0,
        "box_source": phase.box_source,
        "kept": "last",
    }
    if phase.halves == ONE_TURN:
        changes["answer_tokens"] = usual.validation_tokens
    return grpo_profiles.resolve(budget.profile, phase.stage, changes)


def as_json(phase: Phase, budget: Budget) -> dict[str, Any]:
    """Every value that decides what comes of it."""
    resolved = fine_tuning(phase, budget) if isinstance(phase, FineTuning) else grpo(phase, budget)
    return {"phase": phase.name, **resolved.as_json()}


def in_words(training: Training, budget: Budget) -> list[str]:
    """What the phases are, for the record."""
    said = []
    for phase in training.phases:
        if isinstance(phase, FineTuning):
            epochs = fine_tuning(phase, budget).values.epochs
            said.append(f"SFT in one turn, {epochs:g} epoch{'s' if epochs != 1 else ''}")
        else:
            values = grpo(phase, budget).values
            rewards = " + ".join(name for name, _ in phase.rewards)
            said.append(f"GRPO with {rewards}, {values.steps} steps of {values.answers} answers")
    return said
