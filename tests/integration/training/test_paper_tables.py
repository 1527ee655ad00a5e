"""The tiny checkpoint's own report, through the real engine: what the paper says of its tables holds on scenes."""

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.engine import VllmEngine
from tests.support.paths import MODEL
from training.evaluation import samples
from training.paper import attention_map, latency, measurements, paper_report
from training.paper.report_sets import ReportSets
from training.synthetic import scenes

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

IMAGES = 32


async def test_the_paper_s_results_hold_on_scenes(vllm_engine: VllmEngine) -> None:
    checkpoint = Checkpoint.read(MODEL)
    drawn = samples.convert_scenes(
        [scenes.draw_scene(scenes.HELD_OUT_SEED + 5000 + number) for number in range(IMAGES)]
    )
    sets = ReportSets("scenes", "held-out scenes", drawn, {})
    timed = await latency.measure_latency(drawn[:4], vllm_engine)
    measured = await measurements.measure_checkpoint(checkpoint, sets, vllm_engine, timed, concurrency=16)
    numbers = paper_report.build_report(checkpoint, sets, measured, {}, machine="a machine")
    rows = {row["variant"]: row for row in numbers["table1"]}
    live = [row for row in rows.values() if row["state"] == "live"]
    assert len(live) == 4
    assert all(row["identity_gap"]["value"] == pytest.approx(0, abs=1e-9) for row in live)
    assert len({row["i_acc"]["value"] for row in live}) == 1
    assert rows["two_turn"]["acc"]["value"] > rows["two_turn"]["i_acc"]["value"]
    assert numbers["random_crop_cost"]["value"] > 0
    assert rows["two_turn"]["iou"]["value"] > 3 * rows["random_crops"]["iou"]["value"]
    assert all(row["acc"]["n"] == IMAGES for row in numbers["table3"])
    one, two = numbers["table4"]
    assert two["mean_s"] > one["mean_s"] > 0
    assert {example.kind for example in measured.examples} >= {"right", "corrected"}
    shares = attention_map.summarize_maps(attention_map.compute_attention_maps(checkpoint, measured.scanned))
    assert shares["in_boxes"] > shares["area_of_boxes"]
