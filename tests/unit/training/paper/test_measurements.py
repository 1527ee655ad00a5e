from pipeline.checkpoint import Checkpoint
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from training.evaluation import samples
from training.paper import tables
from training.paper.latency import Latencies
from training.paper.measurements import measure_checkpoint
from training.paper.report_sets import ReportSets
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
