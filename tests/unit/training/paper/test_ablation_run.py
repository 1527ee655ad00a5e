from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.paper import ablation_run
from training.paper.ablation_run import Plan
from training.paper.ablations import TRAININGS, Budget
from training.synthetic import scene_files


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    data = scene_files.write_scenes(tmp_path / "data", count=2, first_seed=0, workers=1).parent
    return Plan(Checkpoint.read(MODEL), data, data, Budget.of("tiny", steps=2), seed=0, threads=1, cache=tmp_path)


def test_rows_that_begin_alike_share_their_first_phase(plan: Plan) -> None:
    first = {
        row: ablation_run.directory(plan, plan.start, TRAININGS[row].phases[0])
        for row in TRAININGS
        if row[0] in "tndov"
    }
    assert first["two_turn"] == first["no_bleu"] != first["dual_verdict"]
    assert first["one_turn_e"] == first["verdict_only"] != first["one_turn_eg"]


def test_whatever_decides_a_result_has_a_directory_of_its_own(plan: Plan, tmp_path: Path) -> None:
    phase = TRAININGS["two_turn"].phases[0]
    other = scene_files.write_scenes(tmp_path / "other", count=2, first_seed=9, workers=1).parent
    copytree(MODEL, tmp_path / "start")
    same, card = Checkpoint.read(tmp_path / "start"), tmp_path / "start" / "zoomin.json"
    card.write_text(same.card.model_copy(update={"uncertain_between": (0.4, 0.6)}).model_dump_json())
    calibrated = Checkpoint.read(tmp_path / "start")
    assert calibrated.revision != same.revision
    assert ablation_run.directory(plan, calibrated, phase) == ablation_run.directory(plan, plan.start, phase)
    (tmp_path / "start" / "model.safetensors").write_bytes(b"other")
    other_weights = Checkpoint.read(tmp_path / "start")
    changed = [
        plan,
        replace(plan, seed=1),
        replace(plan, data=other),
        replace(plan, budget=Budget.of("tiny", steps=4)),
        replace(plan, start=other_weights),
    ]
    assert len({ablation_run.directory(one, one.start, phase) for one in changed}) == len(changed)
    assert ablation_run.directory(replace(plan, threads=2), plan.start, phase) == ablation_run.directory(
        plan, plan.start, phase
    )


def test_a_finished_phase_is_not_done_again(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    training = TRAININGS["no_bleu"]
    first, second = training.phases
    made = ablation_run.directory(plan, plan.start, first)
    copytree(MODEL, made)
    copytree(MODEL, ablation_run.directory(plan, Checkpoint.read(made), second))
    assert ablation_run.train(plan, training).revision == plan.start.revision
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "phase 1 of 2, stage_1: done before",
        "phase 2 of 2, no_bleu: done before",
    ]


def test_a_phase_that_is_missing_is_run(plan: Plan) -> None:
    with pytest.raises(BadSettings, match="has 2 images to train on; a step takes 16"):
        ablation_run.train(plan, TRAININGS["no_bleu"])


def test_without_phases_the_start_is_the_row(plan: Plan) -> None:
    assert ablation_run.train(plan, TRAININGS["sft"]) == plan.start
