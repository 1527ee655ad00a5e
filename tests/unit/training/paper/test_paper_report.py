"""The whole report from a stand-in's answers to a few scenes."""

import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Query
from pipeline.errors import GenerationFailed
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from tests.support.photographs import load_photograph
from training.dataset.left_out import LeftOut
from training.evaluation import samples
from training.paper import ablation_results, paper_report, table_1
from training.paper.latency import Latencies
from training.paper.measurements import Measurements, measure_checkpoint
from training.paper.report_sets import ReportSets, SetOptions, collect_sets
from training.reports import examples, page
from training.reports.page import Pictures
from training.synthetic import scenes


def drawn(first: int, count: int) -> list[samples.Sample]:
    return samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + first + number) for number in range(count)])


async def measure(sets: ReportSets) -> Measurements:
    checkpoint = Checkpoint.read(MODEL)
    timed = Latencies([0.1] * 8, [0.2] * 8)
    return await measure_checkpoint(checkpoint, sets, DigestEngine(checkpoint.card), timed, concurrency=2)


async def test_a_report_of_scenes_has_every_table_and_figure(tmp_path: Path) -> None:
    sets = ReportSets(
        "scenes",
        "held-out scenes",
        drawn(0, 8),
        {"unseen_grounds": ("Unseen grounds", drawn(8, 4))},
        left_out={"unseen_grounds": [LeftOut("cut.png", "image_undecodable")]},
    )
    found = await measure(sets)
    numbers = paper_report.build_report(Checkpoint.read(MODEL), sets, found, {}, machine="a machine")
    page.write_report(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=examples.KINDS)
    report = json.loads((tmp_path / page.JSON_NAME).read_text())
    assert len(report["table1"]) == 11
    assert report["largest_identity_gap"] == pytest.approx(0, abs=1e-9)
    assert {row["set"]: row["images"] for row in report["table2"]}["unseen_grounds"] == 4
    assert [row["degradation"] for row in report["table3"]] == ["none", "jpeg_80", "jpeg_30", "crop", "half_size"]
    assert all(row["format_effect"]["n"] == 8 for row in report["table3"][1:])
    assert [row["n"] for row in report["table4"]] == [8, 8]
    assert sum(row["images"] for row in report["figure4_5"]) == sum(report["gallery_counts"].values()) == 8
    assert report["left_out"] == {
        "unseen_grounds": {"images": 1, "reasons": {"image_undecodable": 1}, "files": ["cut.png"]}
    }
    assert "left out because they cannot be read: 1 (1 image_undecodable)" in (tmp_path / page.HTML_NAME).read_text()
    assert report["by_construction"]
    assert found.scanned


async def test_the_rows_that_are_recorded_are_shown_with_the_live_ones(tmp_path: Path) -> None:
    sets = ReportSets("scenes", "held-out scenes", drawn(0, 4), {})
    found = await measure(sets)
    results = ablation_results.read_results(MODEL.parent / ablation_results.NAME)
    numbers = paper_report.build_report(Checkpoint.read(MODEL), sets, found, results, machine="a machine")
    page.write_report(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=examples.KINDS)
    report = json.loads((tmp_path / page.JSON_NAME).read_text())
    states = {row["variant"]: row["state"] for row in report["table1"]}
    assert set(states) == set(table_1.TITLES)
    assert {name for name, state in states.items() if state == "live"} == set(table_1.LIVE_ROWS)
    assert {state for name, state in states.items() if name not in table_1.LIVE_ROWS} == {"recorded"}
    html = (tmp_path / page.HTML_NAME).read_text()
    assert html.count("recorded</span>") == len(results)
    assert "ZoomIn (two turns), with the budget of the recorded rows" in html


async def test_a_set_of_one_s_own_is_not_called_scenes() -> None:
    sets = ReportSets("data", "my-set", drawn(0, 4), {})
    numbers = paper_report.build_report(Checkpoint.read(MODEL), sets, await measure(sets), {}, machine="a machine")
    assert numbers["by_construction"] == numbers["figure10_11"] == []
    assert {row["set"]: row["images"] for row in numbers["table2"]} == {
        "genimage": 0,
        "mmfr": 0,
        "synthscars": 0,
        "magnifake": 0,
        "data": 4,
    }


async def test_a_checkpoint_that_never_answers_has_its_report_too(tmp_path: Path) -> None:
    async def fail(_query: Query) -> None:
        raise GenerationFailed("dropped")

    checkpoint = Checkpoint.read(MODEL)
    sets = ReportSets("scenes", "held-out scenes", drawn(0, 3), {})
    engine = DigestEngine(checkpoint.card, before=fail)
    found = await measure_checkpoint(checkpoint, sets, engine, Latencies([], []), concurrency=2)
    numbers = paper_report.build_report(checkpoint, sets, found, {}, machine="a machine")
    page.write_report(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(), kinds=examples.KINDS)
    report = json.loads((tmp_path / page.JSON_NAME).read_text())
    own = next(row for row in report["table1"] if row["variant"] == "two_turn")
    assert (own["acc"]["value"], own["identity_gap"]["value"], report["largest_identity_gap"]) == (0.0, None, None)
    assert report["table4"][0]["mean_s"] is None


async def test_photographs_are_a_set_of_table_2_with_their_drop(tmp_path: Path) -> None:
    (tmp_path / "trip").mkdir()
    load_photograph("camera").save(tmp_path / "trip" / "camera.png")
    sets = collect_sets(SetOptions(None, 2, tmp_path / "trip", {}, 1, None), workers=1)
    found = await measure(sets)
    numbers = paper_report.build_report(Checkpoint.read(MODEL), sets, found, {}, machine="a machine")
    page.write_report(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=examples.KINDS)
    report = json.loads((tmp_path / page.JSON_NAME).read_text())
    row = next(row for row in report["table2"] if row["set"] == "photographs")
    assert (row["images"], row["generated"], row["acc_drop"]["n"]) == (2, 1, 4)
    assert row["title"] in [entry["title"] for entry in report["figure10_11"]]
    assert "chance by construction" in (tmp_path / page.HTML_NAME).read_text()
