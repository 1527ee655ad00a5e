import json
from pathlib import Path

from tests.support.stages import RESULT, build_passes
from training.common.resampling import Metric
from training.reports.seed_gains import SeedResult, Stage
from training.stages import results, stages_report
from training.stages.arms import CONTROL, STAGE_1, START
from training.stages.results import Trained
from training.stages.results_file import Effort, RewardSummary, StagesResult

LINES = [{"step": step, "reward": 0.1 * step, "r_iou": 0.2} for step in (1.0, 2.0)]
ADDED = {name: Metric(-0.012, -0.03, 0.01, 100) for name in ("acc", "iou_recall", "iou_f1", "bleu2")}
SATURATED = SeedResult(
    seed=1,
    commit="abc",
    date="2026-01-01",
    images=100,
    stages=[
        Stage(name="sft", kept=True, figures={}, added={}),
        Stage(name="grpo_1", kept=False, figures={}, added=ADDED),
        Stage(name="grpo_2", kept=True, figures={}, added=ADDED),
    ],
)
REWARDS = RewardSummary(first=0.1, last=0.2, std=0.05, zero_variance_share=0.4)
EFFORT = Effort(answers=64, minutes=2.0, rewards={"stage_1": REWARDS})


def build_result() -> StagesResult:
    trained = {
        START: Trained({seed: build_passes("1100-0" * 10) for seed in (0, 1)}, {}),
        STAGE_1: Trained({seed: build_passes("111111" * 10) for seed in (0, 1)}, {0: EFFORT}),
        CONTROL: Trained({0: build_passes("111110" * 10)}, {0: Effort(answers=0, minutes=2.0)}),
    }
    plan = {"steps": 2, "answers": 32, "minutes": None, "scenes": 60}
    arms, claims = results.summarize_arms(trained), results.decide_claims(trained)
    return RESULT.model_copy(update={"arms": arms, "claims": claims, "plan": plan})


def test_the_page_has_arms_claims_rewards_and_the_saturated_start(tmp_path: Path) -> None:
    path = stages_report.write_stages_report(tmp_path, build_result(), {"seed 0, stage_1": LINES}, {1: SATURATED})
    html = path.read_text()
    for text in (
        "GRPO stage 1",
        "minus the control",
        "The start has room.",
        "Stage 1 raises Acc",
        "<b>confirmed</b>",
        "not tested",
    ):
        assert text in html
    assert html.count("data:image/webp") == 1
    assert "From a saturated start nothing is gained" in html
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert [row["stage"] for row in numbers["saturated"]] == ["GRPO stage 1", "GRPO stage 2"]
    assert numbers["saturated"][0]["added"]["acc"]["value"] == -0.012
    assert numbers["arms"]["stage_1"]["added_to_start"]["acc"]["n"] == 120
    without = stages_report.write_stages_report(tmp_path, build_result(), {}, {}).read_text()
    assert "saturated" not in without


def test_claims_as_text_are_those_that_were_tested() -> None:
    text = stages_report.format_claims(build_result())
    assert "confirmed              Stage 1 raises Acc (stage_1 against start): +.667 [" in text
    assert "BLEU" not in text
    assert stages_report.format_claims(RESULT) == (
        "the start has room\nno claim is tested yet: its arms are not trained"
    )
