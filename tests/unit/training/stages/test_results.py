import pytest

from tests.support.stages import HALF, build_passes
from training.stages import results
from training.stages.arms import CONTROL, STAGE_1, START
from training.stages.results import Trained
from training.stages.results_file import ClaimResult, Effort

EFFORT = Effort(answers=64, minutes=1.0)
START_PASSES = {seed: build_passes("1100-0" * 10, "1111-1" * 10, HALF) for seed in (0, 1)}


def decide(arm: dict[int, dict[str, list[object]]], **others: Trained) -> dict[str, ClaimResult]:
    trained = {START: Trained(START_PASSES, {}), STAGE_1: Trained(arm, {0: EFFORT}), **others}  # type: ignore[arg-type]
    return {claim.name: claim for claim in results.decide_claims(trained)}


def test_a_claim_tells_its_difference_over_all_and_over_what_both_read() -> None:
    decided = decide({seed: build_passes("111111" * 10, "111111" * 10) for seed in (0, 1)})
    acc = decided["acc"]
    assert (acc.outcome, acc.by_seed) == ("confirmed", {0: pytest.approx(0.6667), 1: pytest.approx(0.6667)})
    assert acc.difference
    assert acc.readable
    assert acc.readable_scenes == 100, "the scenes that the start answers unreadably are left out"
    assert acc.readable.value == pytest.approx(0.6)
    assert decided["f1"].outcome == "confirmed"
    assert decided["no_bleu"].outcome == "not tested"
    assert decided["acc"].over_control is None


def test_only_seeds_that_both_have_are_compared() -> None:
    decided = decide({1: build_passes("111111" * 10)})
    assert list(decided["acc"].by_seed) == [1]
    assert decided["acc"].difference
    assert decided["acc"].difference.n == 60


def test_more_fine_tuning_stands_beside_a_claim_about_the_start() -> None:
    arm = {0: build_passes("111000" * 10)}
    decided = decide(arm, **{CONTROL: Trained({0: build_passes("111111" * 10)}, {})})
    over = decided["acc"].over_control
    assert over
    assert over.value == pytest.approx(-0.5)
    arms = results.summarize_arms({START: Trained(START_PASSES, {}), STAGE_1: Trained(arm, {0: EFFORT})})
    assert arms[STAGE_1].added_to_control is None
    assert arms[STAGE_1].added_to_start["acc"].n == 60
    assert arms[START].added_to_start == {}
    assert arms[START].seeds == [0, 1]
    assert results.describe_start(arms[START]) == (
        "as it is served, the start has IoU 0.500 and Acc 0.333, at annotated boxes 0.833: outside the window "
        "(IoU 0.30 to 0.45 with Acc at annotated boxes 0.05 above Acc), so little is to be expected"
    )


def test_effort_has_the_rise_of_the_reward_of_each_phase() -> None:
    lines = [
        {"step": n, "reward": n / 10, "reward_std": 0.2, "zero_variance_share": 0.5, "step_s": 6.0} for n in range(10)
    ]
    effort = results.summarize_effort({"stage_1": lines, "stage_2": lines[:1]}, 64)
    assert (effort.answers, effort.minutes) == (11 * 64, 1.1)
    first = effort.rewards["stage_1"]
    assert (first.first, first.last, first.std, first.zero_variance_share) == (0.05, 0.85, 0.2, 0.5)
    assert results.summarize_effort({"stage_1": []}, 64).rewards["stage_1"].first is None
