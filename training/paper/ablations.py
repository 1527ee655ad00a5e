"""The ablations of the paper's table 1: the phases of each row from the shared fine-tuned checkpoint. Pure.

Every row has the same number of GRPO steps of the same number of answers: one turn spends them at once, two turns spend
half on each stage. A row takes its last weights, good or bad: choosing by validation would hide the effect of a reward.
Source: paper sections 4.1 and 4.3; for a row that they do not describe, the meaning of its name.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.grpo import profiles as grpo_profiles
from training.grpo.profiles import BoxSource, Stage, Weights
from training.runs.profiles import ProfileName, ResolvedProfile
from training.sft import profiles as sft_profiles
from training.sft.profiles import Variant

ONE_TURN = 2
"""halves of a row's steps that a phase in one turn spends"""


@dataclass(frozen=True, slots=True)
class FineTuningPhase:
    """Fine-tuning of a two-turn model to answer in one turn."""

    name: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class GrpoPhase:
    """A GRPO stage with its own rewards, over its part of the row's steps."""

    name: str
    stage: Stage
    rewards: Weights
    box_source: BoxSource = "model"
    halves: int = 1
    changes: tuple[tuple[str, Any], ...] = ()
    """further values in place of the profile's"""


Phase = FineTuningPhase | GrpoPhase


@dataclass(frozen=True, slots=True)
class Ablation:
    """The training phases of a row, and the variant in which its checkpoint is asked."""

    variant: Variant
    phases: tuple[Phase, ...] = ()


def _weigh_equally(*names: str) -> Weights:
    return tuple((name, 1.0) for name in names)


_ONE_TURN_E = FineTuningPhase("sft_one_turn_e", "one_turn_e")
_ONE_TURN_EG = FineTuningPhase("sft_one_turn_eg", "one_turn_eg")
_STAGE_1 = GrpoPhase("stage_1", 1, _weigh_equally("format", "iou"))
_STAGE_2 = GrpoPhase("stage_2", 2, _weigh_equally("verdict", "bleu"))
UNTRAINED, OWN = "base", "two_turn"
ABLATIONS: Mapping[str, Ablation] = {
    UNTRAINED: Ablation("one_turn_e"),
    "sft": Ablation("two_turn"),
    OWN: Ablation("two_turn", (_STAGE_1, _STAGE_2)),
    "no_bleu": Ablation("two_turn", (_STAGE_1, GrpoPhase("no_bleu", 2, _weigh_equally("verdict")))),
    "dual_verdict": Ablation(
        "two_turn", (GrpoPhase("stage_1_with_verdict", 1, _weigh_equally("format", "iou", "verdict")), _STAGE_2)
    ),
    "one_turn_e": Ablation(
        "one_turn_e",
        (
            _ONE_TURN_E,
            GrpoPhase("explanation", 2, _weigh_equally("format", "verdict", "bleu"), "none", halves=ONE_TURN),
        ),
    ),
    "verdict_only": Ablation(
        "one_turn_e", (_ONE_TURN_E, GrpoPhase("verdict_alone", 2, _weigh_equally("verdict"), "none", halves=ONE_TURN))
    ),
    "one_turn_eg": Ablation(
        "one_turn_eg",
        (
            _ONE_TURN_EG,
            GrpoPhase("explanation_and_boxes", 1, _weigh_equally("format", "iou", "verdict", "bleu"), halves=ONE_TURN),
        ),
    ),
}
"""the others are compared with the row `two_turn`: the paper's method with their budget"""


@dataclass(frozen=True, slots=True)
class AblationBudget:
    """The budget of every row: one profile, and GRPO steps of so many answers; each of two stages gets half.

    With `lora` adapters are trained. On a GPU the profile's own sampler answers.
    """

    profile: ProfileName
    steps: int
    prompts: int
    generations: int
    lora: bool = False
    on_gpu: bool = False

    @classmethod
    def build(
        cls,
        profile: ProfileName,
        *,
        steps: int | None = None,
        prompts: int | None = None,
        generations: int | None = None,
        lora: bool = False,
        on_gpu: bool = False,
    ) -> "AblationBudget":
        """Take what is None from the profile: the steps of both its stages, the answers of its second."""
        first, second = (grpo_profiles.PROFILES[profile, stage] for stage in (1, 2))
        return cls(
            profile,
            steps or first.steps + second.steps,
            prompts or second.prompts,
            generations or second.generations,
            lora,
            on_gpu,
        )

    @property
    def changes(self) -> dict[str, Any]:
        """The values of the profile that every phase changes."""
        return {"trained": "lora"} if self.lora else {}


def resolve_fine_tuning(phase: FineTuningPhase, budget: AblationBudget) -> ResolvedProfile[sft_profiles.SftProfile]:
    return sft_profiles.resolve_sft_profile(budget.profile, {"variant": phase.variant} | budget.changes)


def resolve_grpo(phase: GrpoPhase, budget: AblationBudget) -> ResolvedProfile[grpo_profiles.GrpoProfile]:
    """Return the profile's stage with the row's rewards and part of the steps, and the paper's prompts alone.

    An answer in one turn runs to its end: a profile may cut Query 1's before the explanation, which counts here.
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
    return grpo_profiles.resolve_grpo_profile(
        budget.profile, phase.stage, changes | budget.changes | dict(phase.changes), on_gpu=budget.on_gpu
    )


def convert_phase_to_json(phase: Phase, budget: AblationBudget) -> dict[str, Any]:
    """Return every value that decides the result of a phase."""
    resolved = resolve_fine_tuning(phase, budget) if isinstance(phase, FineTuningPhase) else resolve_grpo(phase, budget)
    return {"phase": phase.name, **resolved.to_json()}


def describe_phases(ablation: Ablation, budget: AblationBudget) -> list[str]:
    """Describe each phase in words, for `variants.json`."""
    adapters = " of adapters" if budget.lora else ""
    descriptions = []
    for phase in ablation.phases:
        if isinstance(phase, FineTuningPhase):
            epochs = resolve_fine_tuning(phase, budget).values.epochs
            descriptions.append(f"SFT{adapters} in one turn, {epochs:g} epoch{'s' if epochs != 1 else ''}")
        else:
            values = resolve_grpo(phase, budget).values
            rewards = " + ".join(name for name, _ in phase.rewards)
            descriptions.append(f"GRPO{adapters} with {rewards}, {values.steps} steps of {values.answers} answers")
    return descriptions
