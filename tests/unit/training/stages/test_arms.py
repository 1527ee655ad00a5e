import pytest

from training.paper import ablations
from training.paper.ablations import AblationBudget
from training.stages import arms
from training.stages.arms import ARMS

BUDGET = AblationBudget(arms.PROFILE, steps=10, prompts=4, generations=8)


@pytest.mark.parametrize("name", [name for name in ARMS if name != arms.CONTROL])
def test_every_arm_samples_as_many_answers_and_takes_its_last_weights(name: str) -> None:
    budget = ARMS[name].adapt_budget(BUDGET)
    phases = [ablations.resolve_grpo(phase, budget).values for phase in ARMS[name].phases]
    assert sum(values.steps * values.answers for values in phases) == 10 * 32
    assert {(values.kept, values.answer_tokens) for values in phases} == {("last", 100)}
    assert {values.publish_dtype for values in phases} == {"float32"}, "as the control, whatever the start's dtype"


def test_an_arm_differs_from_its_counterpart_in_one_thing() -> None:
    assert ARMS[arms.EQ_2].phases[0].rewards == ARMS[arms.STAGE_1].phases[0].rewards
    first, eq_2 = (ablations.resolve_grpo(ARMS[name].phases[0], BUDGET).values for name in (arms.STAGE_1, arms.EQ_2))
    assert first.change(iou_mode="eq2") == eq_2
    both = ARMS[arms.STAGE_1_2].phases
    assert ARMS[arms.NO_BLEU].phases[0] == both[0]
    assert dict(ARMS[arms.NO_BLEU].phases[1].rewards) == {"verdict": 1.0}
    assert ARMS[arms.DUAL_VERDICT].phases[1] == both[1]
    assert dict(ARMS[arms.DUAL_VERDICT].phases[0].rewards) == {"format": 1.0, "iou": 1.0, "verdict": 1.0}
    assert ARMS[arms.TWO_ANSWERS].phases == both
    assert ARMS[arms.TWO_ANSWERS].adapt_budget(BUDGET) == AblationBudget(arms.PROFILE, 10, prompts=16, generations=2)


def test_the_control_comes_last_because_it_takes_the_time_of_the_others() -> None:
    assert arms.order_arms(["control", "stage_1_2", "stage_1"]) == ["stage_1", "stage_1_2", "control"]
