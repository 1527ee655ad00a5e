"""`zoomin-train evaluate --photographs` on the real engine: the view hides what is injected."""

from pathlib import Path

import pytest

from pipeline.vllm.engine import VllmEngine
from tests.support.photographs import NAMES, load_photograph, load_tinted
from training.evaluation import evaluate, jobs, summary
from training.evaluation.metrics import Prediction

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]


async def test_a_checkpoint_is_tried_on_real_textures_with_the_drop(vllm_engine: VllmEngine, tmp_path: Path) -> None:
    for name in NAMES:
        load_photograph(name).save(tmp_path / f"{name}.png")
    load_tinted().save(tmp_path / "tinted.png")
    by_pass: dict[str, list[Prediction]] = {}
    for drawn, passes in jobs.collect_jobs(None, 8, perturbed=False, photographs=tmp_path, workers=1, left_out=[]):
        by_pass |= await evaluate.predict(drawn, vllm_engine, concurrency=8, passes=passes)
    predictions = by_pass[summary.PHOTOGRAPHS]
    verdicts = [
        (real.scan_verdict, generated.scan_verdict)
        for real, generated in zip(predictions[::2], predictions[1::2], strict=True)
    ]
    assert sum(real is generated for real, generated in verdicts) >= 3  # of four: a view may differ by a rounded level
    assert all(prediction.parsed for prediction in predictions)
    metrics = summary.summarize_passes(by_pass)
    assert metrics["acc_photographs"].n == 8
    table = summary.format_metrics(metrics)
    assert "\nAcc, photographs " in table
    assert "\nless Acc, photographs " in table
