"""Which checkpoints may stand for a row of table 1, and what is kept of them."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.errors import BadSettings
from pipeline.vllm.options import EngineOptions
from tests.support.paths import MODEL
from tests.support.stored_engines import run_on_stand_in
from training.__main__ import main
from training.engine.run import build_setup
from training.evaluation import samples
from training.paper import ablation_results, outside_rows, tables
from training.paper.ablations import ABLATIONS
from training.settings import TrainSettings
from training.synthetic import scenes

DRAWN = samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(3)])


def read(name: str, directory: Path) -> list[outside_rows.OutsideRow]:
    return outside_rows.read_outside_rows([(name, directory)], Checkpoint.read(MODEL), EngineOptions())


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_row_that_is_trained_can_be_recorded(name: str, tmp_path: Path) -> None:
    settings = TrainSettings(cache=tmp_path)
    file = tmp_path / ablation_results.NAME
    outside_rows.judge_outside_rows(read(name, MODEL), DRAWN, build_setup(settings), file, run_on_stand_in)
    result = ablation_results.read_results(file)[name]
    assert (result.seed, result.figures["acc"].n) == (None, 3)
    assert result.start.startswith("zoomin-tiny, weights sha256:")
    assert result.phases[0].startswith("trained elsewhere on sha256:")
    assert ("i_acc" in result.figures) == (ABLATIONS[name].variant == "two_turn")


def test_a_recorded_row_stands_in_the_table_and_training_leaves_it(tmp_path: Path) -> None:
    file = tmp_path / ablation_results.NAME
    rows = [*read("sft", MODEL), *read("two_turn", MODEL)]
    outside_rows.judge_outside_rows(rows, DRAWN, build_setup(TrainSettings(cache=tmp_path)), file, run_on_stand_in)
    results = ablation_results.read_results(file)
    by_name = {row["variant"]: row for row in tables.build_table_1({}, results)}
    assert (by_name["sft"]["state"], by_name["sft"]["seed"]) == ("recorded", None)
    equal = tables.build_equal_budget_row(results)
    assert equal is not None
    assert "trained elsewhere" in equal["title"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("largest_4", "the row largest_4 asks MODEL itself with other crops; rows that are trained are base, sft, two"),
        ("random_crops", "the row random_crops asks MODEL itself"),
        ("stf", "there is no row stf in table 1; rows that are trained are base, sft, two_turn"),
    ],
)
def test_a_row_that_is_not_trained_is_refused(name: str, message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        read(name, MODEL)


def test_a_directory_without_a_checkpoint_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["paper-tables", "--model", str(MODEL), "--out", str(tmp_path / "out"), "--record", "sft", str(tmp_path)]
    assert main(typed) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"zoomin-train paper-tables: no model in {tmp_path}: it has no config.json")
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_prompt_version_is_refused(tmp_path: Path) -> None:
    model = copytree(MODEL, tmp_path / "other")
    card = json.loads((model / CARD_NAME).read_text())
    (model / CARD_NAME).write_text(json.dumps(card | {"prompt_version": "0"}))
    with pytest.raises(BadSettings, match=r"card .* cannot be followed: prompt_version: Input should be '1'"):
        read("sft", model)


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    model = copytree(MODEL, tmp_path / "other")
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["another"] = len(tokenizer["model"]["vocab"]) + 1000
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(BadSettings, match=r"has another vocabulary than .*; a row of table 1 is trained from the same"):
        read("sft", model)


def test_a_checkpoint_that_cannot_fit_is_refused() -> None:
    model, options = Checkpoint.read(MODEL), EngineOptions(tensor_parallel_size=64)
    with pytest.raises(BadSettings, match="TENSOR_PARALLEL_SIZE is 64, and there are"):
        outside_rows.read_outside_rows([("sft", MODEL)], model, options)
