import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from tests.support.paths import ROOT
from tests.support.stored_engines import run_on_stand_in
from tests.support.training_runs import write_split_scenes
from training.dataset.labeled_image import Split
from training.gate.demands import Demands
from training.gate.evidence import OWN
from training.gate.report import format_table, write_gate_report
from training.gate.run import GateOutcome, GateRequest, run_gate
from training.gate.sets import read_places
from training.gate.table import GateTable, RowName
from training.settings import TrainSettings

DEMANDS = Demands(images_of_each_class=1, perturbed_images=2, overlay_images=1, latency_images=2)
MODEL = ROOT / "models" / "zoomin-tiny"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_split_scenes(tmp_path_factory.mktemp("set"), [Split.GOLDEN] * 4 + [Split.TEST] * 4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def gate_against_itself(scenes: Path, cache: Path) -> GateOutcome:
    settings = TrainSettings(cache=cache, workers=1, concurrency=4)
    request = GateRequest(read_places(golden=str(scenes), base=str(scenes)), 100, "production", DEMANDS)
    champion = Checkpoint.read(MODEL)
    return run_gate(champion, champion, request, settings, run_on_stand_in)


@pytest.fixture(scope="module")
def outcome(scenes: Path, cache: Path) -> GateOutcome:
    return gate_against_itself(scenes, cache)


def test_both_models_answer_about_every_set(outcome: GateOutcome) -> None:
    assert {name: len(passes[OWN]) for name, passes in outcome.champion.evidence.sets.items()} == {
        "golden": 4,
        "base": 4,
    }
    assert [row.name for row in outcome.table.rows] == list(RowName)
    failed = {row.name: row.detail for row in outcome.table.rows if row.result == "failed"}
    assert failed[RowName.NEW_KINDS] == "there is no set of new kinds; name one with --new"
    assert not outcome.table.passed
    assert outcome.table.sets["golden"].name.endswith(":golden")


def test_the_next_gate_takes_its_answers_from_the_last(
    outcome: GateOutcome, scenes: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def count_answers() -> int:
        return sum(len(path.read_text().split()) for path in (cache / "answers").iterdir())

    before = count_answers()
    again = gate_against_itself(scenes, cache)
    assert count_answers() == before > 0
    first, second = (
        {row.name: row.measured for row in each.table.rows if row.name is not RowName.LATENCY}
        for each in (outcome, again)
    )
    assert first == second
    assert "the gate compares 29 predictions of each model" in capsys.readouterr().err


def test_the_json_is_read_back_as_the_table(outcome: GateOutcome) -> None:
    assert GateTable.model_validate_json(outcome.table.model_dump_json()) == outcome.table


def test_the_table_is_text_and_a_page(outcome: GateOutcome, tmp_path: Path) -> None:
    text = format_table(outcome.table)
    assert "demands of the profile production, changed: perturbed_images 2" in text
    assert "The challenger is refused: golden, " in text
    page = write_gate_report(tmp_path / "gate", outcome.table, outcome.draw_cards())
    assert "refuses the challenger" in page.read_text()
    assert json.loads((tmp_path / "gate" / "report.json").read_text())["passed"] is False
