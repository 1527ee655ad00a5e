from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.common.machine import Gpus
from training.paper import ablation_run
from training.paper.ablation_run import AblationPlan
from training.paper.ablations import ABLATIONS, Ablation, AblationBudget
from training.qwen import sizes
from training.synthetic import scene_files


@pytest.fixture
def plan(tmp_path: Path) -> AblationPlan:
    data = scene_files.write_scenes(tmp_path / "data", count=2, first_seed=0, workers=1).parent
    return AblationPlan(
        Checkpoint.read(MODEL), data, data, AblationBudget.build("tiny", steps=2), seed=0, threads=1, cache=tmp_path
    )


def test_rows_that_begin_alike_share_their_first_phase(plan: AblationPlan) -> None:
    first = {
        row: ablation_run.locate_phase(plan, plan.start, ABLATIONS[row].phases[0])
        for row in ABLATIONS
        if row[0] in "tndov"
    }
    assert first["two_turn"] == first["no_bleu"] != first["dual_verdict"]
    assert first["one_turn_e"] == first["verdict_only"] != first["one_turn_eg"]


def test_whatever_decides_a_result_has_a_directory_of_its_own(plan: AblationPlan, tmp_path: Path) -> None:
    phase = ABLATIONS["two_turn"].phases[0]
    other = scene_files.write_scenes(tmp_path / "other", count=2, first_seed=9, workers=1).parent
    copytree(MODEL, tmp_path / "start")
    same, card = Checkpoint.read(tmp_path / "start"), tmp_path / "start" / "zoomin.json"
    card.write_text(same.card.model_copy(update={"uncertain_between": (0.4, 0.6)}).model_dump_json())
    calibrated = Checkpoint.read(tmp_path / "start")
    assert calibrated.revision != same.revision
    assert ablation_run.locate_phase(plan, calibrated, phase) == ablation_run.locate_phase(plan, plan.start, phase)
    (tmp_path / "start" / "model.safetensors").write_bytes(b"other")
    other_weights = Checkpoint.read(tmp_path / "start")
    changed = [
        plan,
        replace(plan, seed=1),
        replace(plan, data=other),
        replace(plan, budget=AblationBudget.build("tiny", steps=4)),
        replace(plan, start=other_weights),
        replace(plan, minutes=1.0),
    ]
    assert len({ablation_run.locate_phase(other, other.start, phase) for other in changed}) == len(changed)
    assert ablation_run.locate_phase(replace(plan, threads=2), plan.start, phase) == ablation_run.locate_phase(
        plan, plan.start, phase
    )


def test_a_finished_phase_is_not_done_again(plan: AblationPlan, capsys: pytest.CaptureFixture[str]) -> None:
    ablation = ABLATIONS["no_bleu"]
    first, second = ablation.phases
    finished = ablation_run.locate_phase(plan, plan.start, first)
    copytree(MODEL, finished)
    copytree(MODEL, ablation_run.locate_phase(plan, Checkpoint.read(finished), second))
    assert ablation_run.train_ablation(plan, ablation).revision == plan.start.revision
    printed = capsys.readouterr().err
    assert printed.splitlines() == [
        "phase 1 of 2, stage_1: done before",
        "phase 2 of 2, no_bleu: done before",
    ]


def test_a_phase_that_is_missing_is_run(plan: AblationPlan) -> None:
    with pytest.raises(BadSettings, match="has 2 images to train on; a step takes 16"):
        ablation_run.train_ablation(plan, ABLATIONS["no_bleu"])


def test_without_phases_the_start_is_the_row(plan: AblationPlan) -> None:
    assert ablation_run.train_ablation(plan, ABLATIONS["sft"]) == plan.start


@pytest.fixture
def large(plan: AblationPlan, tmp_path: Path) -> AblationPlan:
    directory = tmp_path / "7b"
    sizes.load_config("7b").save_pretrained(directory)
    return replace(plan, start=Checkpoint.read(directory), budget=AblationBudget.build("production"))


def test_rows_that_cannot_be_trained_on_one_gpu_are_refused_with_what_can_be_done(large: AblationPlan) -> None:
    rows = [Ablation("one_turn_e", ABLATIONS["one_turn_e"].phases[:1])]
    with pytest.raises(BadSettings, match=r"sft_one_turn_e needs 1\d\d.\d GiB on one GPU .*: add --lora, or"):
        ablation_run.refuse_unfit_training(large, rows, Gpus(1, 80 << 30, 1024 << 30))
    with pytest.raises(BadSettings, match=r"may take 15.2: train the row over several GPUs .* --record ROW DIR"):
        ablation_run.refuse_unfit_training(large, rows, Gpus(1, 16 << 30, 1024 << 30))
    lora = replace(large, budget=AblationBudget.build("production", lora=True))
    ablation_run.refuse_unfit_training(lora, rows, Gpus(1, 80 << 30, 1024 << 30))


def test_several_gpus_are_refused_where_something_is_trained(plan: AblationPlan) -> None:
    with pytest.raises(BadSettings, match=r"sees 8 GPUs of 80.0 GiB: set CUDA_VISIBLE_DEVICES=0, or train"):
        ablation_run.refuse_unfit_training(plan, [ABLATIONS["no_bleu"]], Gpus(8, 80 << 30, 1024 << 30))
    ablation_run.refuse_unfit_training(plan, [ABLATIONS["base"], ABLATIONS["sft"]], Gpus(8, 80 << 30, 1024 << 30))
    ablation_run.refuse_unfit_training(plan, [ABLATIONS["no_bleu"]], None)
