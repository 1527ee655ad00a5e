from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.options import EngineOptions
from tests.support.engines import DigestEngine
from tests.support.live_images import LiveImages, write_set
from tests.support.paths import MODEL
from tests.support.stored_engines import run_on_stand_in
from training.engine.run import EngineSetup
from training.evaluation import samples
from training.paper import measurements, paper_report, tables
from training.paper.latency import Latencies
from training.paper.measurements import measure_checkpoint
from training.paper.report_sets import ReportSets, SetOptions, collect_sets
from training.reports import examples
from training.synthetic import scenes


async def test_every_pass_of_the_own_set_and_the_own_pass_of_the_others_are_measured() -> None:
    checkpoint = Checkpoint.read(MODEL)
    drawn = samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(4)])
    sets = ReportSets("scenes", "held-out scenes", drawn[:2], {"others": ("Other scenes", drawn[2:])})
    engine = DigestEngine(checkpoint.card)
    timed = Latencies([0.1], [0.2])
    measured = await measure_checkpoint(checkpoint, sets, engine, timed, concurrency=2)
    assert measured.predictions.keys() == tables.PASSES.keys()
    assert {len(predictions) for predictions in measured.predictions.values()} == {2}
    (title, others) = measured.others["others"]
    assert (title, len(others)) == ("Other scenes", 2)
    assert measured.latencies is timed
    assert measured.engine == engine.version


def test_a_few_images_of_the_sets_are_in_memory_whatever_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, live = Checkpoint.read(MODEL), LiveImages(monkeypatch)
    options = SetOptions(write_set(tmp_path, 24), 24, None, {}, 24, None)
    sets = collect_sets(options, workers=1)
    monkeypatch.setattr(measurements, "run_on_engine", run_on_stand_in)
    monkeypatch.setattr(measurements, "TIMED_IMAGES", 24)
    setup = EngineSetup(EngineOptions(max_in_flight=2), tmp_path / "answers")
    measured = measurements.measure_on_engine(checkpoint, sets, setup)
    paper_report.build_report(checkpoint, sets, measured, {}, machine="a CPU")
    examples.draw_tiles(sets.samples, measured.predictions["two_turn"])
    assert {len(predictions) for predictions in measured.predictions.values()} == {24}
    assert live.total > 24 * 8, "eight copies of each"
    assert live.most <= 2 * 4 + measurements.MAPPED_IMAGES, "of each image at once: itself and at most three copies"
