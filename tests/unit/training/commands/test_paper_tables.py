"""The whole report from a stand-in's answers to a few scenes."""

import argparse
import json
from pathlib import Path

import pytest

from pipeline import images
from pipeline.checkpoint import Checkpoint
from pipeline.engine import Query
from pipeline.errors import GenerationFailed
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from tests.support.photographs import taken
from training.__main__ import main
from training.commands import paper_tables
from training.commands.paper_tables import Job, Measured
from training.evaluation import samples
from training.paper import recorded, variants
from training.reports import page as report
from training.reports.page import Pictures
from training.settings import TrainSettings
from training.synthetic import scene_files, scenes


def drawn(first: int, count: int) -> list[samples.Sample]:
    return samples.of_scenes([scenes.make(scenes.HELD_OUT_SEED + first + number) for number in range(count)])


async def measured(job: Job) -> Measured:
    checkpoint = Checkpoint.read(MODEL)
    engine = DigestEngine(checkpoint.card)
    return await paper_tables.measure(checkpoint, job, engine, concurrency=2, version=engine.version)


async def test_a_report_of_scenes_has_every_table_and_figure(tmp_path: Path) -> None:
    job = Job(
        "scenes",
        "held-out scenes",
        drawn(0, 8),
        {"unseen_grounds": ("Unseen grounds", drawn(8, 4))},
    )
    found = await measured(job)
    numbers = paper_tables.of(Checkpoint.read(MODEL), job, found, {}, machine="a machine")
    report.write(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=report.KINDS)
    kept = json.loads((tmp_path / report.JSON_NAME).read_text())
    assert len(kept["table1"]) == 11
    assert kept["largest_identity_gap"] == pytest.approx(0, abs=1e-9)
    assert {row["set"]: row["images"] for row in kept["table2"]}["unseen_grounds"] == 4
    assert [row["degradation"] for row in kept["table3"]] == ["none", "jpeg_80", "jpeg_30", "crop", "half_size"]
    assert all(row["format_effect"]["n"] == 8 for row in kept["table3"][1:])
    assert [row["n"] for row in kept["table4"]] == [8, 8]
    assert sum(row["images"] for row in kept["figure4_5"]) == sum(kept["gallery_counts"].values()) == 8
    assert kept["by_construction"]
    assert found.scanned


async def test_the_rows_that_are_recorded_are_shown_with_the_live_ones(tmp_path: Path) -> None:
    job = Job("scenes", "held-out scenes", drawn(0, 4), {})
    found = await measured(job)
    trained = recorded.read(MODEL.parent / recorded.NAME)
    numbers = paper_tables.of(Checkpoint.read(MODEL), job, found, trained, machine="a machine")
    report.write(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=report.KINDS)
    kept = json.loads((tmp_path / report.JSON_NAME).read_text())
    states = {row["variant"]: row["state"] for row in kept["table1"]}
    assert set(states) == set(variants.TITLES)
    assert {name for name, state in states.items() if state == "live"} == set(variants.QUESTIONS)
    assert {state for name, state in states.items() if name not in variants.QUESTIONS} == {"recorded"}
    page = (tmp_path / report.HTML_NAME).read_text()
    assert page.count("recorded</span>") == len(trained)
    assert "ZoomIn (two turns), with the budget of the recorded rows" in page


async def test_a_set_of_one_s_own_is_not_called_scenes() -> None:
    job = Job("data", "my-set", drawn(0, 4), {})
    numbers = paper_tables.of(Checkpoint.read(MODEL), job, await measured(job), {}, machine="a machine")
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
    job = Job("scenes", "held-out scenes", drawn(0, 3), {})
    engine = DigestEngine(checkpoint.card, before=fail)
    found = await paper_tables.measure(checkpoint, job, engine, concurrency=2, version=engine.version)
    numbers = paper_tables.of(checkpoint, job, found, {}, machine="a machine")
    report.write(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(), kinds=report.KINDS)
    kept = json.loads((tmp_path / report.JSON_NAME).read_text())
    own = next(row for row in kept["table1"] if row["variant"] == "two_turn")
    assert (own["acc"]["value"], own["identity_gap"]["value"], kept["largest_identity_gap"]) == (0.0, None, None)
    assert kept["table4"][0]["mean_s"] is None


def test_scenes_are_known_from_their_files_too(tmp_path: Path) -> None:
    scene_files.write_scenes(tmp_path / "scenes", count=4, first_seed=scenes.HELD_OUT_SEED, workers=1)
    job = paper_tables._job(asked("--data", str(tmp_path / "scenes"), "--count", "3"), TrainSettings())
    assert (job.name, job.title, len(job.samples), job.met) == ("scenes", "scenes", 3, None)


def test_what_was_trained_on_is_left_out_of_published_sets_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "trained"
    scene_files.write_scenes(trained, count=2, first_seed=scenes.HELD_OUT_SEED, workers=1)
    for number, folder in enumerate(("ai", "nature")):
        place = tmp_path / "genimage" / "ADM" / "val" / folder
        place.mkdir(parents=True)
        (file,) = trained.glob(f"scene-*{number}.png")
        (place / "met.png").write_bytes(file.read_bytes())
        (place / "new.png").write_bytes(images.png(scenes.make(scenes.HELD_OUT_SEED + 9 + number).image.pixels))
    given = ("--genimage", str(tmp_path / "genimage"), "--trained-on", str(trained), "--count", "2")
    job = paper_tables._job(asked(*given, "--data", str(trained)), TrainSettings())
    title, left = job.others["genimage"]
    assert len(left) == 2
    assert job.met == {"genimage": {"same_file": 2}}
    assert f"{title}: 2 images are left out, the training set holds them (2 as same file); 2 stay" in (
        capsys.readouterr().err
    )


def asked(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    paper_tables.configure(parser)
    return parser.parse_args(["--model", str(MODEL), "--out", "out", *given])


async def test_photographs_are_a_set_of_table_2_with_their_drop(tmp_path: Path) -> None:
    (tmp_path / "trip").mkdir()
    taken("camera").save(tmp_path / "trip" / "camera.png")
    job = paper_tables._job(asked("--count", "2", "--photographs", str(tmp_path / "trip")), TrainSettings(workers=1))
    found = await measured(job)
    numbers = paper_tables.of(Checkpoint.read(MODEL), job, found, {}, machine="a machine")
    report.write(tmp_path, numbers, "paper.html.jinja", pictures=Pictures(found.examples), kinds=report.KINDS)
    kept = json.loads((tmp_path / report.JSON_NAME).read_text())
    row = next(row for row in kept["table2"] if row["set"] == "photographs")
    assert (row["images"], row["generated"], row["acc_drop"]["n"]) == (2, 1, 4)
    assert row["title"] in [one["title"] for one in kept["figure10_11"]]
    assert "chance by construction" in (tmp_path / report.HTML_NAME).read_text()


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper-tables", "--model", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("zoomin-train paper-tables: no model in ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_benchmark_of_another_layout_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["paper-tables", "--model", str(MODEL), "--out", str(tmp_path / "out"), "--genimage", str(tmp_path)]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "is not laid out as published: expected <Generator>/val/" in said
    assert said.count("\n") == 1
