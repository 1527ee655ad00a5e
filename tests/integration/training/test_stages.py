"""The experiment on the stages of GRPO, killed while it trains, and its result."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from tests.support.processes.warm_processes import WarmServer
from tests.support.stages import StandIn
from tests.support.training_runs import TIMEOUT_S
from training.errors import TrainingFailed
from training.paper.ablations import AblationBudget
from training.reports import page
from training.runs.run_log import Line
from training.settings import TrainSettings
from training.stages import experiment, stages_report, start, window_search
from training.stages.plan import StagesPlan
from training.stages.results_file import StagesResult
from training.stages.window import Window
from training.tiny_model.run_config import Mix, TinyRun

STEPS, SCENES, TRAIN_SCENES = 6, 2, 4


def test_a_start_is_fine_tuned_until_it_is_in_the_window_and_refused_if_it_never_is(tmp_path: Path) -> None:
    settings = TrainSettings(cache=tmp_path / "cache", workers=1, threads=1)
    run = TinyRun(scenes=4, warm_up_steps=1, sft_steps=window_search.CHECK_EVERY_STEPS + 2, mix=Mix(scans=1, checks=1))
    out = tmp_path / "seed-0" / "start"
    with pytest.raises(TrainingFailed, match=r"seed 0: no start was found in the window, .*give --start-minutes more"):
        start.fine_tune_into_window(run, out, settings, scenes=2)
    assert not (out / "config.json").exists()
    everything = Window(least_iou=0.0, most_iou=1.0, least_room=-1.0)
    run = run.model_copy(update={"sft_steps": 3 * window_search.CHECK_EVERY_STEPS})
    start.fine_tune_into_window(run, out, settings, everything, scenes=2)
    assert Checkpoint.read(out).card.trained_on == run.digest
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "seed-0/start-work/window.jsonl").read_text().splitlines()
    ]
    assert steps[-1] == 2 * window_search.CHECK_EVERY_STEPS, "it went on from the run that failed, to the next check"


@pytest.mark.timeout(900)
def test_a_killed_experiment_goes_on_where_it_was_and_tells_what_each_arm_added(
    warm_server: WarmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_CACHE", str(tmp_path / "cache"))
    out, result_file = tmp_path / "out", tmp_path / "stages.json"
    sizes = {"steps": STEPS, "prompts": 2, "generations": 4, "scenes": SCENES, "train-scenes": TRAIN_SCENES}
    typed = ["--start", str(MODEL), "--start-noise", "0.4", "--arms", "control", "stage_1", "--seeds", "0"]
    typed += [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    process = warm_server.start("training", "stages", *typed, "--out", str(out), "--results", str(result_file))
    process.wait_until(lambda: bool(list(out.glob("work/variants/*/grpo/checkpoint-*/clock.json"))), TIMEOUT_S)
    process.kill()
    assert list(json.loads(result_file.read_text())["arms"]) == ["start"], "judged in vLLM before the first arm"

    plan = StagesPlan(
        out=out,
        start=Checkpoint.read(MODEL),
        noise=0.4,
        start_minutes=30.0,
        arms=("control", "stage_1"),
        seeds=(0,),
        budget=AblationBudget("tiny", STEPS, prompts=2, generations=4),
        minutes=float("inf"),
        train_scenes=TRAIN_SCENES,
        scenes=SCENES,
    )

    def publish(result: StagesResult, logs: Mapping[str, list[Line]]) -> None:
        stages_report.write_stages_report(out, result, logs, {})

    stand_in = StandIn()
    settings = TrainSettings(cache=tmp_path / "cache", workers=1, threads=1)
    result = experiment.run_experiment(plan, settings, publish, stand_in)
    assert list(result.arms) == ["start", "stage_1", "control"]
    assert len(stand_in.served) == 2, "the start had been judged"
    assert len({plan.start.revision if plan.start else "", *stand_in.served}) == 3, (
        "both arms have weights of their own"
    )
    stage_1, control = (result.arms[arm] for arm in ("stage_1", "control"))
    assert stage_1.efforts[0].answers == STEPS * 8, "each step is logged once"
    assert control.efforts[0].minutes == pytest.approx(stage_1.efforts[0].minutes, abs=0.02)
    assert control.added_to_start["acc"].n == SCENES
    decided = {claim.name: claim.outcome for claim in result.claims}
    assert decided["no_bleu"] == "not tested" != decided["recall"]
    assert "minus the control" in (out / page.HTML_NAME).read_text()
