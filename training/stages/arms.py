"""The arms of the experiment: what is trained from the shared start, each with equally many sampled answers. Pure.

Every answer may run to its end. Where the profile cuts Query 1 before its explanation, R_format pays for short answers,
and what looks like better boxes is fewer words. All publish float32, the control too: a cast to the start's dtype could
lose most of one arm's update and little of another's.
Source: paper sections 3.3 and 4.3.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.grpo.profiles import PROFILES
from training.paper.ablations import ABLATIONS, OWN, Ablation, AblationBudget, GrpoPhase
from training.runs.profiles import ProfileName

PROFILE: ProfileName = "tiny"
START, CONTROL = "start", "control"
STAGE_1, STAGE_2, STAGE_1_2 = "stage_1", "stage_2", "stage_1_2"
EQ_2, NO_BLEU, DUAL_VERDICT, TWO_ANSWERS = "eq2", "no_bleu", "dual_verdict", "two_answers"
VALIDATION_SCENES = 16
"""of a GRPO run; they decide nothing, because every arm takes its last weights"""
_COMMON: Mapping[str, Any] = {
    "answer_tokens": PROFILES[PROFILE, 1].validation_tokens,
    "validation_images": VALIDATION_SCENES,
    "publish_dtype": "float32",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One training from the start: phases of GRPO, or fine-tuning that goes on when there is none."""

    title: str
    phases: tuple[GrpoPhase, ...] = ()
    generations: int | None = None
    """answers to each prompt, in place of the budget's"""

    @property
    def ablation(self) -> Ablation:
        return Ablation("two_turn", self.phases)

    def adapt_budget(self, budget: AblationBudget) -> AblationBudget:
        """Return the budget with this arm's answers to each prompt, and as many answers a step as before."""
        if self.generations is None:
            return budget
        answers = budget.prompts * budget.generations
        return replace(budget, generations=self.generations, prompts=answers // self.generations)


def _adapt(phase: GrpoPhase, *, halves: int = 1, **changes: Any) -> GrpoPhase:
    return replace(phase, halves=halves, changes=tuple({**_COMMON, **changes}.items()))


def _list_phases(row: str) -> tuple[GrpoPhase, ...]:
    """Return the phases of a row of table 1, each with half of the steps."""
    return tuple(_adapt(phase) for phase in ABLATIONS[row].phases if isinstance(phase, GrpoPhase))


_FIRST, _SECOND = _list_phases(OWN)
ARMS: Mapping[str, Arm] = {
    CONTROL: Arm("fine-tuning goes on"),
    STAGE_1: Arm("GRPO stage 1", (_adapt(_FIRST, halves=2),)),
    STAGE_2: Arm("GRPO stage 2", (_adapt(_SECOND, halves=2),)),
    STAGE_1_2: Arm("GRPO stage 1, then 2", (_FIRST, _SECOND)),
    EQ_2: Arm("stage 1 rewarded by Eq. 2", (replace(_adapt(_FIRST, halves=2, iou_mode="eq2"), name="stage_1_eq2"),)),
    NO_BLEU: Arm("1, then 2 without R_BLEU", _list_phases(NO_BLEU)),
    DUAL_VERDICT: Arm("1 with R_verdict too, then 2", _list_phases(DUAL_VERDICT)),
    TWO_ANSWERS: Arm("1, then 2, two answers a prompt", (_FIRST, _SECOND), generations=2),
}


def order_arms(names: Collection[str]) -> list[str]:
    """Return the arms in the order of training: the control comes last, as it takes the time that the others took."""
    return [*(name for name in ARMS if name in names and name != CONTROL), *(name for name in names if name == CONTROL)]
