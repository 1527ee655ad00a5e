"""Whole GRPO runs: what each stage leaves behind, and how a killed run goes on as if nothing had happened."""

import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from tests.support.processes.warm_processes import WarmServer
from tests.support.training_runs import TIMEOUT_S, read_log
from training.__main__ import main
from training.grpo import profiles as grpo_profiles
from training.grpo import run as grpo_run
from training.grpo.run_config import GrpoRun

pytestmark = pytest.mark.timeout(1200)
STEPS = 3
SMALL = (
    *("--profile", "tiny", "--prompts", "2", "--generations", "4", "--micro-batch", "4", "--warm-up-steps", "1"),
    *("--validation-images", "2", "--save-every", "1"),
)
STAGE_1 = ("--stage", "1", "--steps", str(STEPS), "--learning-rate", "1e-3", "--beta", "0.01")
STAGE_2 = ("--stage", "2", "--steps", "1")
TIMELESS = ("reward", "r_iou", "kl", "grad_norm", "tokens", "learning_rate")


def build_arguments(start: Path, data: Path, out: Path, *stage: str) -> list[str]:
    return ["grpo", str(start), "--data", str(data), "--out", str(out), *SMALL, *stage]


@pytest.fixture(scope="module")
def whole(split_scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run stage 1 once without a disturbance."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMIN_TRAIN_THREADS", "1")
        assert main(build_arguments(MODEL, split_scenes, out, *STAGE_1)) == 0
    return out


def test_stage_1_tells_every_step_and_leaves_a_checkpoint(whole: Path) -> None:
    lines = read_log(whole / "grpo")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    names = {"r_format", "r_iou", "r_verdict", "boxes", "kl", "zero_variance_share", "tokens", "truncated_share"}
    names |= {"step_s", "tokens_per_s"}
    assert names < lines[0].keys()
    assert lines[1]["kl"] > 0, "the second step's answers come from weights that have moved"
    assert (whole / "grpo" / "log.png").stat().st_size > 0
    assert not list((whole / "grpo").glob("checkpoint-*")), "a run that has ended leaves nothing to go on from"
    outcome = json.loads((whole / "grpo" / "outcome.json").read_text())
    assert outcome["published"]["step"] == outcome["trained"]["step"] == STEPS
    assert (outcome["update"]["dtype"], outcome["update"]["changed_fraction"] < 1) == ("bfloat16", True)
    names = {path.name for path in (whole / "grpo").glob("predictions-*.json")}
    assert names == {
        "predictions-start-transformers.json",
        f"predictions-step-{STEPS}.json",
        "predictions-published-transformers.json",
    }


def test_stage_2_goes_on_from_stage_1(whole: Path, split_scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    assert main(build_arguments(whole, split_scenes, out, *STAGE_2)) == 0
    assert {"r_verdict", "r_bleu"} < read_log(out / "grpo")[0].keys()
    first, *_ = (out / "grpo" / "validations.jsonl").read_text().splitlines()
    assert json.loads(first)["step"] == 0
    assert len(json.loads((out / "grpo" / "own_boxes.json").read_text())) == 4
    assert Checkpoint.read(out).card.box_frame == "thousand"


def test_one_turn_learns_from_query_2_alone_and_may_keep_what_got_worse(split_scenes: Path, tmp_path: Path) -> None:
    rewards = (("format", 1.0), ("verdict", 1.0), ("bleu", 1.0))
    changes = {"box_source": "none", "scan_fraction": 0.0, "stage_rewards": rewards, "learning_rate": 1e-2}
    sizes = {"prompts": 2, "generations": 4, "micro_batch": 4, "warm_up_steps": 1, "validation_images": 2}
    run = GrpoRun(
        start=Checkpoint.read(MODEL),
        stage=2,
        resolved=grpo_profiles.resolve_grpo_profile("tiny", 2, {"steps": 1, "kept": "last", **sizes, **changes}),
        data=split_scenes,
        validation=split_scenes,
        out=tmp_path / "out",
        seed=0,
        minutes=float("inf"),
        threads=1,
    )
    outcome = grpo_run.run_grpo(run)
    assert outcome
    (line,) = read_log(run.directory)
    assert {"r_format", "r_verdict", "r_bleu"} < line.keys()
    assert "boxes" not in line, "Query 1 is never asked"
    assert not (run.directory / "own_boxes.json").exists()
    assert (outcome.trained.step, outcome.validated.replaces_start) == (1, True)
    assert outcome.validated.published.i_acc == outcome.validated.published.acc, "there is one verdict"
    assert outcome.validated.surviving.dtype == "bfloat16"
    assert Checkpoint.read(run.out).revision != run.start.revision


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    warm_server: WarmServer, whole: Path, split_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = build_arguments(MODEL, split_scenes, out, *STAGE_1)
    process = warm_server.start("training", *arguments)
    process.wait_until((out / "grpo" / "checkpoint-1" / "clock.json").exists, TIMEOUT_S)
    process.kill()
    assert not (out / "config.json").exists(), "what has not ended is no checkpoint"
    assert main(arguments) == 0
    assert "step 1," not in capsys.readouterr().err, "the first step was not done again"
    resumed, straight = (read_log(path / "grpo") for path in (out, whole))
    assert [line["step"] for line in resumed] == list(range(1, STEPS + 1))
    for went_on, went_through in zip(resumed, straight, strict=True):
        for name in TIMELESS:
            assert went_on[name] == pytest.approx(went_through[name], rel=1e-3), f"{name} of {went_on['step']}"
    assert (out / "config.json").exists()
